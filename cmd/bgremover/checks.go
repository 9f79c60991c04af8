package main

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/analytics"
)

// liveChecks are the checks of the live service: through its own listener, as anybody sees it, or
// at its real tables and settings. Their names are permanent; promises.yaml names them.
func (s *service) liveChecks() []usecase.Check {
	site := func() outsider { return newOutsider(s.address, s.ownMark) }
	check := func(name string, look func(context.Context) (usecase.Looked, error), promises ...string) usecase.Check {
		return usecase.Check{Name: name, Promises: promises, Look: look}
	}
	return []usecase.Check{
		check("region.stated", func(ctx context.Context) (usecase.Looked, error) {
			return site().regionStated(ctx, s.cfg.Operator.Region, s.ledger)
		}, "region.declared"),
		check("cookies.before_consent", func(ctx context.Context) (usecase.Looked, error) { return site().noCookies(ctx) }, "cookie.essential", "cookie.analytics"),
		check("origin.only", func(ctx context.Context) (usecase.Looked, error) { return site().ownOriginOnly(ctx) }, "cookie.no-ads", "analytics.no-cross-site"),
		check("transport.https", func(ctx context.Context) (usecase.Looked, error) {
			return site().httpsOnly(ctx, s.cfg.Listen.ForOthers(), s.cfg.Listen.TLSCert != "")
		}, "secure.transit"),
		check("cookies.off", func(ctx context.Context) (usecase.Looked, error) { return site().worksWithoutCookies(ctx) }, "cookie.optional"),
		check("usage.no_images", func(ctx context.Context) (usecase.Looked, error) {
			columns, err := s.lookout.Columns(ctx, analytics.Name)
			return figuresNameNobody(columns), err
		}, "usage.improve"),
		check("policy.dated", func(ctx context.Context) (usecase.Looked, error) {
			p, err := published.Load(policies.Published)
			if err != nil {
				return usecase.Looked{}, err
			}
			return s.texts.asPublished(site().everyVersionDated(ctx, p.Versions))
		}, "policy.dated"),
		check("contact.stated", func(ctx context.Context) (usecase.Looked, error) {
			return site().stated(ctx, s.cfg.Operator.Contact, "contact.not_shown")
		}, "contact.stated"),
		check("basis.stated", func(context.Context) (usecase.Looked, error) {
			_, data := s.policy.Data()
			return everyPurposeHasABasis(data)
		}, "basis.stated"),
		s.checkContradictions(),
	}
}

// outsider looks at the service as a stranger does, without cookies.
type outsider struct {
	base   string
	client *http.Client
	pages  []string
	mark   string // by which the service knows its own requests
}

// publicPages are what everybody may read.
var publicPages = []string{
	"/", "/stats", "/privacy", "/promises", "/contradictions", "/models", "/processing", "/transparency", "/verify",
}

// ownHeader has a number that only this process knows, so that nobody else can keep out of the figures about
// requests, and the checks, a few hundred requests an hour, do not stand in them. Pages are the same with it and without.
const ownHeader = "Bgremover-Own-Check"

// isOwn says whether a request is one of the live checks of this process.
func (s *service) isOwn(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.Header.Get(ownHeader)), []byte(s.ownMark)) == 1
}

// outsiderTime is how long one answer may take.
const outsiderTime = 10 * time.Second

func newOutsider(base, mark string) outsider {
	transport := &http.Transport{
		DisableKeepAlives: true,
		// It is our own listener on this machine, by its address; the certificate names another.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // see above
	}
	return outsider{base: base, pages: publicPages, mark: mark, client: &http.Client{
		Transport: transport, Timeout: outsiderTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is one answer.
type livePage struct {
	path   string
	status int
	header http.Header
	body   string
}

// get asks for a page. One that the service has trouble with tells nothing.
func (o outsider) get(ctx context.Context, at string) (livePage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.base+at, nil)
	if err != nil {
		return livePage{}, err
	}
	req.Header.Set(ownHeader, o.mark)
	answer, err := o.client.Do(req)
	if err != nil {
		return livePage{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	const longest = 4 << 20
	body, err := io.ReadAll(io.LimitReader(answer.Body, longest))
	if err == nil && answer.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("%s answered %s", at, answer.Status)
	}
	return livePage{at, answer.StatusCode, answer.Header, string(body)}, err
}

// each looks at all public pages and counts those with which something is wrong. A page that is not there is wrong.
func (o outsider) each(ctx context.Context, code string, wrong func(livePage) bool) (usecase.Looked, error) {
	var looked usecase.Looked
	for _, at := range o.pages {
		p, err := o.get(ctx, at)
		if err != nil {
			return looked, err
		}
		looked.At++
		if p.status != http.StatusOK || wrong(p) {
			looked.Found++
			looked.Code = code
		}
	}
	return looked, nil
}

func (o outsider) noCookies(ctx context.Context) (usecase.Looked, error) {
	return o.each(ctx, "cookie.set", setsCookie)
}

func setsCookie(p livePage) bool { return len(p.header.Values("Set-Cookie")) > 0 }

// nobodysPicture is the address of a picture's page that nobody's capability opens.
const nobodysPicture = "/i/00000000-0000-7000-8000-000000000000"

// worksWithoutCookies follows the way of a photo as far as it goes without one: the page with the form, and the
// page that follows a photo, which answers a stranger that there is none. A cookie that either asks for is wrong.
func (o outsider) worksWithoutCookies(ctx context.Context) (usecase.Looked, error) {
	looked := usecase.Looked{}
	for _, way := range []struct {
		at     string
		status int
		shows  string
	}{
		{"/", http.StatusOK, `<form`},
		{nobodysPicture, http.StatusNotFound, `<main`},
		{nobodysPicture + "/result", http.StatusNotFound, `<main`},
	} {
		p, err := o.get(ctx, way.at)
		if err != nil {
			return looked, err
		}
		looked.At++
		if p.status != way.status || !strings.Contains(p.body, way.shows) || setsCookie(p) {
			looked.Found++
			looked.Code = "cookie.needed"
		}
	}
	return looked, nil
}

// foreign finds what a page would load, or send, elsewhere; loose, what its policy would let it.
var (
	foreign = regexp.MustCompile(`(?i)<(?:link|script|img|iframe|source|video|audio|form|object|embed)\b[^>]*\b(?:href|src|srcset|action|data|poster)\s*=\s*["']?\s*(?:https?:)?//`)
	loose   = regexp.MustCompile(`(?i)\*|https?:|\bdata:|'unsafe-(?:inline|eval|hashes)'`)
)

func (o outsider) ownOriginOnly(ctx context.Context) (usecase.Looked, error) {
	return o.each(ctx, "origin.foreign", func(p livePage) bool {
		policy := p.header.Get("Content-Security-Policy")
		return !strings.Contains(policy, "default-src 'none'") || loose.MatchString(policy) || foreign.MatchString(p.body)
	})
}

// httpsOnly looks whether what others can reach is HTTPS only, and says so. Where only this machine is meant to
// reach it, and it speaks plain HTTP, nothing shows what a proxy that it was not told of would let through.
func (o outsider) httpsOnly(ctx context.Context, forOthers, ownTLS bool) (usecase.Looked, error) {
	if !forOthers && !ownTLS {
		return usecase.Looked{}, nil
	}
	looked, err := o.each(ctx, "transport.plain", func(p livePage) bool {
		return forOthers && p.header.Get("Strict-Transport-Security") == ""
	})
	if err != nil || !ownTLS {
		return looked, err
	}
	plain := o
	_, host, _ := strings.Cut(o.base, "://")
	plain.base = "http://" + host
	p, err := plain.get(ctx, "/")
	looked.At++
	if err == nil && p.status == http.StatusOK {
		looked.Found++
		looked.Code = "transport.plain"
	}
	return looked, nil //nolint:nilerr // That it cannot be had is what it should be.
}

// stated looks whether the policy shows what the operator has stated. What was not stated cannot be
// looked at.
func (o outsider) stated(ctx context.Context, what, code string) (usecase.Looked, error) {
	if what == "" {
		return usecase.Looked{}, nil
	}
	p, err := o.get(ctx, "/privacy")
	if err != nil {
		return usecase.Looked{}, err
	}
	looked := usecase.Looked{At: 1}
	if p.status != http.StatusOK || !strings.Contains(html.UnescapeString(p.body), what) {
		looked.Found, looked.Code = 1, code
	}
	return looked, nil
}

// history reads streams of the record.
type history interface {
	Load(ctx context.Context, stream event.Stream) ([]event.Envelope, error)
}

// regionStated looks whether the policy shows where the servers are, and the record says the same.
func (o outsider) regionStated(ctx context.Context, region string, record history) (usecase.Looked, error) {
	looked, err := o.stated(ctx, region, "region.not_shown")
	if err != nil || looked.At == 0 {
		return looked, err
	}
	facts, err := record.Load(ctx, system.RegionStream())
	if err != nil {
		return looked, err
	}
	looked.At++
	declared := ""
	for _, env := range facts {
		if f, ok := env.Fact.(system.RegionDeclared); ok {
			declared = f.Region
		}
	}
	if declared != region {
		looked.Found++
		looked.Code = "region.not_declared"
	}
	return looked, nil
}

// everyVersionDated looks whether each version of the policy can be read, with its date.
func (o outsider) everyVersionDated(ctx context.Context, versions []policy.Text) (usecase.Looked, error) {
	var looked usecase.Looked
	look := func(at string, text policy.Text) error {
		p, err := o.get(ctx, at)
		if err != nil {
			return err
		}
		looked.At++
		if p.status != http.StatusOK || !strings.Contains(p.body, `datetime="`+text.Date.Format(time.DateOnly)+`"`) {
			looked.Found++
			looked.Code = "policy.undated"
		}
		return nil
	}
	for _, text := range versions {
		if err := look("/privacy/"+strconv.Itoa(text.Version), text); err != nil {
			return looked, err
		}
	}
	if len(versions) == 0 {
		return looked, nil
	}
	return looked, look("/privacy", versions[len(versions)-1])
}

// figureColumn is a column that figures about use may have: when, what of, which coarse class, how many.
// checkpoint is the view's own place in the record.
var figureColumn = regexp.MustCompile(`^(?:tally(?:_\w+)?\.(?:hour timestamp with time zone|kind text|class text|n bigint)` +
	`|checkpoint\.(?:only_row boolean|seq bigint|offset bigint))$`)

func figuresNameNobody(columns []string) usecase.Looked {
	looked := usecase.Looked{At: int64(len(columns))}
	for _, column := range columns {
		if !figureColumn.MatchString(column) {
			looked.Found++
			looked.Code = "usage.column_unknown"
		}
	}
	return looked
}

// everyPurposeHasABasis looks through the register of processing and through what may be shared with whom
// for what, as the data of the rules in force has them: each activity, purpose and grant rests on a legal basis
// that the rules know.
func everyPurposeHasABasis(data map[string]any) (looked usecase.Looked, err error) {
	var known struct {
		Purposes map[string]struct {
			Never bool `json:"never"`
		} `json:"purposes"`
		Bases  map[string]json.RawMessage `json:"bases"`
		Grants map[string]map[string]map[string]struct {
			Bases map[string]bool `json:"bases"`
		} `json:"grants"` // by recipient, purpose and category
		Processing map[string]struct {
			Basis string `json:"basis"`
		} `json:"processing"`
	}
	content, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(content, &known)
	}
	if err != nil {
		return looked, fmt.Errorf("read the rules' data: %w", err)
	}
	look := func(rests bool) {
		if looked.At++; !rests {
			looked.Found++
			looked.Code = "basis.missing"
		}
	}
	for _, activity := range known.Processing {
		_, there := known.Bases[activity.Basis]
		look(there)
	}
	used := map[string]bool{}
	for _, purposes := range known.Grants {
		for purpose, categories := range purposes {
			used[purpose] = true
			for _, grant := range categories {
				rests := false
				for basis, holds := range grant.Bases {
					_, there := known.Bases[basis]
					rests = rests || holds && there
				}
				look(rests)
			}
		}
	}
	for purpose, p := range known.Purposes {
		look(p.Never || used[purpose]) // else it may be pursued, and nothing says on which basis
	}
	return looked, nil
}
