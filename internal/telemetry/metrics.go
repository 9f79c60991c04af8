package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the service's figures for its operator. They are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	refused        *prometheus.CounterVec
	stageSeconds   *prometheus.HistogramVec
	slots          prometheus.Gauge
	slotsInUse     prometheus.Gauge

	queue       prometheus.Gauge
	published   prometheus.Gauge
	signed      prometheus.Gauge
	signedAge   prometheus.Gauge
	lag         *prometheus.GaugeVec
	viewStopped *prometheus.GaugeVec
	verified    prometheus.Gauge
	broken      prometheus.Gauge
	waiting     prometheus.Gauge
	overdue     prometheus.Gauge
	overdueBy   prometheus.Gauge
	late        *prometheus.GaugeVec
	heldUp      prometheus.Gauge
	untold      prometheus.Gauge
	audited     prometheus.Gauge
	auditBroken prometheus.Gauge

	keysLive        prometheus.Gauge
	keysResurrected prometheus.Counter
	keysDoubtful    prometheus.Gauge
	factsMissing    prometheus.Gauge
}

// NewMetrics returns metrics of their own registry, with those of Go and of the process.
func NewMetrics(build Build) *Metrics {
	m := &Metrics{
		registry:       prometheus.NewRegistry(),
		requests:       counters("http_requests_total", "Requests answered.", "route", "status"),
		requestSeconds: histograms("http_request_seconds", "Time to the end of the answer.", "route"),
		refused:        counters("uploads_refused_total", "Uploads refused, by the code of the refusal.", "code"),
		stageSeconds:   histograms("cutout_stage_seconds", "Time that each stage of a cutout took.", "stage"),
		slots:          gauge("cutout_slots", "Cutouts that can run at once."),
		slotsInUse:     gauge("cutout_slots_in_use", "Cutouts that run now."),
		queue:          gauge("record_queue_appends", "Appends that wait to be numbered and published."),
		published:      gauge("record_published_seq", "Number of the last published fact."),
		signed:         gauge("record_checkpoint_size", "Facts that the newest public checkpoint covers."),
		signedAge:      gauge("record_checkpoint_age_seconds", "Age of the newest public checkpoint."),
		lag:            gauges("projection_lag_facts", "Published facts that a projection does not show yet.", "view"),
		viewStopped:    gauges("projection_stopped", "1 when a projection met what it cannot apply and somebody must look.", "view"),
		verified:       gauge("record_verified_seq", "Up to this fact the record was verified last."),
		broken:         gauge("record_broken", "1 when that found something changed, missing or forged, and somebody must look."),
		waiting:        gauge("photos_waiting", "Photos that wait for their cutout."),
		overdue:        gauge("deletions_overdue", "Photos past their deadline and not deleted; anything but 0 breaks a promise."),
		overdueBy:      gauge("deletions_overdue_seconds", "How long the longest of them is overdue."),

		late:   gauges("retention_late_seconds", "How long the oldest due deletion of a kind of data is late; 900 and more needs somebody.", "kind"),
		heldUp: gauge("retention_uploads_held_up", "1 while no photo is taken because deletions are late."),

		untold: gauge("disclosures_untold_seconds", "How long those whom a disclosure concerns should have known of it, at most; 86400 and more needs somebody."),

		audited:     gauge("audit_objects", "Objects that the last audit compared with the record."),
		auditBroken: gauge("audit_broken", "1 when the last audit found what breaks a promise, or could not see everything."),

		keysLive:        gauge("vault_keys_live", "Keys that are not destroyed, as last compared."),
		keysResurrected: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "vault_keys_resurrected_total", Help: "Keys found alive although the record has destroyed them, and destroyed again."}),
		keysDoubtful:    gauge("vault_keys_without_fact", "Live keys without a fact, so many that the record must have lost some; anything but 0 needs somebody."),
		factsMissing:    gauge("vault_record_missing_facts", "Facts fewer in the record than when the vault was last compared with it; anything but 0 needs somebody."),
	}
	about := gauges("build_info", "Which build this is; always 1.", "version", "revision", "go")
	about.WithLabelValues(build.Version, build.Revision, build.Go).Set(1)
	m.registry.MustRegister(
		m.requests, m.requestSeconds, m.refused, m.stageSeconds, m.slots, m.slotsInUse,
		m.queue, m.published, m.signed, m.signedAge, m.lag, m.viewStopped, m.verified, m.broken, m.waiting, m.overdue, m.overdueBy, m.late, m.heldUp, m.untold, about,
		m.audited, m.auditBroken, m.keysLive, m.keysResurrected, m.keysDoubtful, m.factsMissing,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers scrapes. It belongs on the metrics' own listener.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Request counts a request. route is the pattern that it matched ("GET /v1/images/{id}"),
// never its path; "" when it matched none.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	route = routeLabel(route)
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.requestSeconds.WithLabelValues(route).Observe(took.Seconds())
}

// Refused counts an upload that was refused with a code ("image.too_large").
func (m *Metrics) Refused(code string) { m.refused.WithLabelValues(codeLabel(code)).Inc() }

// Stage notes how long a stage of a cutout took ("decode", "run" …).
func (m *Metrics) Stage(stage string, took time.Duration) {
	m.stageSeconds.WithLabelValues(wordLabel(stage)).Observe(took.Seconds())
}

// Slots says how many cutouts run, and how many can.
func (m *Metrics) Slots(inUse, all int) {
	m.slotsInUse.Set(float64(inUse))
	m.slots.Set(float64(all))
}

// Record says how many facts wait in the queue, and the seq of the last published one.
func (m *Metrics) Record(queue, published int64) {
	m.queue.Set(float64(queue))
	m.published.Set(float64(published))
}

// Checkpoint says how many facts the newest public checkpoint covers, and how old it is.
func (m *Metrics) Checkpoint(size int64, age time.Duration) {
	m.signed.Set(float64(size))
	m.signedAge.Set(age.Seconds())
}

// View says how many published facts a projection does not show yet, and whether it has stopped.
func (m *Metrics) View(name string, lag int64, stopped bool) {
	name = wordLabel(name)
	m.lag.WithLabelValues(name).Set(float64(max(0, lag)))
	value := 0.0
	if stopped {
		value = 1
	}
	m.viewStopped.WithLabelValues(name).Set(value)
}

// Verified says how many facts the record had when it was verified last, and whether
// something was wrong with it.
func (m *Metrics) Verified(facts int64, broken bool) {
	m.verified.Set(float64(facts))
	value := 0.0
	if broken {
		value = 1
	}
	m.broken.Set(value)
}

// Audited says how many objects the last audit compared with the record, and whether it found
// what breaks a promise, or could not see everything.
func (m *Metrics) Audited(objects int64, broken bool) {
	m.audited.Set(float64(objects))
	value := 0.0
	if broken {
		value = 1
	}
	m.auditBroken.Set(value)
}

// Waiting says how many photos wait for their cutout.
func (m *Metrics) Waiting(n int64) { m.waiting.Set(float64(n)) }

// Overdue says how many photos are past their deadline, and by how much the longest is.
func (m *Metrics) Overdue(count int64, longest time.Duration) {
	m.overdue.Set(float64(count))
	m.overdueBy.Set(longest.Seconds())
}

// Retention says how long the oldest due deletion of a kind of data is late.
func (m *Metrics) Retention(kind string, late time.Duration) {
	m.late.WithLabelValues(kindLabel(kind)).Set(late.Seconds())
}

// Untold says for how long those whom a disclosure concerns should have known of it.
func (m *Metrics) Untold(late time.Duration) { m.untold.Set(late.Seconds()) }

// HeldUp says whether photos are refused because deletions are late.
func (m *Metrics) HeldUp(refused bool) {
	value := 0.0
	if refused {
		value = 1
	}
	m.heldUp.Set(value)
}

// Vault says what a comparison of the vault with the record has found.
func (m *Metrics) Vault(live, resurrected, doubtful int, missing int64) {
	m.keysLive.Set(float64(live))
	m.keysResurrected.Add(float64(resurrected))
	m.keysDoubtful.Set(float64(doubtful))
	m.factsMissing.Set(float64(missing))
}

const namespace = "bgremover"

// seconds are the histograms' bounds: from a page to a large photo on a busy small machine.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: seconds}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}
