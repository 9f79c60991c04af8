package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/opa"
	imagefacts "github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/policies"
)

// canaries are what a person hands over that must be nowhere afterwards.
type canaries struct {
	needles map[string][]byte
	file    string // the photos' name
	key     string // of a request
	staff   string // a name
	png     []byte // with a text, and a block of pixels like no other
	jpeg    []byte // with EXIF
}

func newCanaries(t testing.TB) *canaries {
	t.Helper()
	word := func(about string) string {
		random := make([]byte, 9)
		_, _ = rand.Read(random) // never fails
		return "canary-" + about + "-" + hex.EncodeToString(random)
	}
	c := &canaries{file: word("file"), key: word("request"), staff: word("staff")}
	text := word("exif")
	img, row := canaryPicture()
	c.png, c.jpeg = encodePNG(t, img, text), encodeJPEG(t, img, text)
	c.needles = map[string][]byte{
		"file name": []byte(c.file), "idempotency key": []byte(c.key), "name of staff": []byte(c.staff), "EXIF text": []byte(text),
		"pixels (RGBA)": row, "pixels (RGB)": withoutAlpha(row),
		"bytes of the PNG": bytes.Clone(c.png[len(c.png)/2:][:32]), "bytes of the JPEG": bytes.Clone(c.jpeg[len(c.jpeg)/2:][:32]),
	}
	return c
}

// canaryPicture has a block of noise in its middle, of which a row is returned.
func canaryPicture() (*image.NRGBA, []byte) {
	const size, from, to = 96, 32, 64
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			c := color.NRGBA{R: 200, G: uint8(100 + y), B: uint8(100 + x), A: 255}
			if from <= x && x < to && from <= y && y < to {
				noise := make([]byte, 3)
				_, _ = rand.Read(noise)
				c = color.NRGBA{R: noise[0], G: noise[1], B: noise[2], A: 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	at := img.PixOffset(from, size/2)
	return img, bytes.Clone(img.Pix[at : at+4*16])
}

func withoutAlpha(rgba []byte) (rgb []byte) {
	for pixel := range slices.Chunk(rgba, 4) {
		rgb = append(rgb, pixel[:3]...)
	}
	return rgb
}

// encodePNG writes a PNG with a text chunk.
func encodePNG(t testing.TB, img image.Image, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	body := "tEXtComment\x00" + text
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	chunk = append(chunk, body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE([]byte(body)))
	const header = 33 // signature and IHDR
	return slices.Concat(b.Bytes()[:header], chunk, b.Bytes()[header:])
}

// encodeJPEG writes a JPEG with an EXIF description.
func encodeJPEG(t testing.TB, img image.Image, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x0e\x00\x02") // one entry: ImageDescription, ASCII
	tiff = binary.BigEndian.AppendUint32(tiff, uint32(len(text)+1))
	tiff = append(tiff, 0, 0, 0, 26, 0, 0, 0, 0) // where it stands; no other directory
	exif := "Exif\x00\x00" + string(tiff) + text + "\x00"
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))
	return slices.Concat(b.Bytes()[:2], segment, []byte(exif), b.Bytes()[2:])
}

// An erased person left nothing: what they handed over is searched for wherever the service
// keeps or tells anything, after successes, failures, and in the dead letters.
func TestErasedPersonLeftNothing(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	c := newCanaries(t)
	data, temp := dataFolder(t), t.TempDir()
	path, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	metrics := freeAddr(t)
	cmd := exec.Command(path, append(serveFlags(data), "--log-level", "debug", "--metrics-addr", metrics)...)
	cmd.Env = append(append(os.Environ(), "BGREMOVER_CONFIG=", "TMPDIR="+temp), o.env()...)
	s := launch(t, cmd, data)
	if s.url == "" {
		t.Fatalf("the service did not get ready:\n%s", s.log)
	}
	cfg := kafka.Config{Brokers: o.brokers}
	c.leak(t, o, temp)
	persons := c.live(s)
	c.deadLetter(t, cfg)
	for _, a := range persons {
		c.needles["capability of "+a.ID] = []byte(a.Capability)
		if s.status(a) != "deleted" {
			if res := s.ask(http.MethodDelete, "/v1/images/"+a.ID, a.Capability); res.code != http.StatusOK {
				t.Fatalf("delete: %s", res)
			}
		}
	}
	until(t, "the deletion of everything", func() bool {
		record := s.record()
		return count(record, "image.deleted.v1") == count(record, "image.uploaded.v1")
	})
	until(t, "no sealed copy left", func() bool {
		left, _ := filepath.Glob(filepath.Join(o.blobs, "*", "*"))
		return len(left) == 0
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := roundTrip(req)
	told := res.body
	if err != nil || len(told) == 0 {
		t.Fatalf("metrics: %v", err)
	}

	g := newSearch(c.needles)
	found := g.in("the metrics", told)
	rows := o.rows(t)
	maps.Copy(found, g.in("Postgres' tables", rows))
	messages := everything(t, cfg)
	maps.Copy(found, g.in("Kafka's topics", messages))
	readsErased(t, s, len(persons))
	s.stop()
	said := s.log.String()
	if !strings.Contains(said, `"level":"DEBUG"`) {
		t.Errorf("this is no log that could be searched: %q", said)
	}
	maps.Copy(found, g.in("the log", []byte(said)))
	if err := o.postgres.Stop(); err != nil { // its files are whole
		t.Fatal(err)
	}
	for _, folder := range []string{data, temp, o.blobs, o.kafka, filepath.Join(o.folder, "data")} {
		maps.Copy(found, g.inFolder(t, folder))
	}
	leaks := 0
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if strings.HasPrefix(what, planted) {
			leaks++
			continue
		}
		t.Error("found: ", what)
	}
	for _, place := range []string{"Postgres' tables", "Kafka's topics", "leak.txt", "base/"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(what string) bool {
			return strings.HasPrefix(what, planted) && strings.Contains(what, place)
		}) {
			t.Errorf("what was planted in %s was not found there, so nothing else would have been", place)
		}
	}
	o.startPostgres()
	proven(t, data, o.env())
	faulttest.Counted(t, "%d pictures erased, %d things of theirs searched for in %d MB (%d kB of rows, %d kB of messages, %d packed things opened): %d found, beside %d that were planted on purpose",
		len(persons), len(c.needles)-1, g.bytes>>20, len(rows)>>10, len(messages)>>10, g.inner, len(found)-leaks, leaks)
}

// planted is the name of what the test leaks itself.
const planted = "planted on purpose"

// leak plants something where a service that leaks would leave it, so that the search is
// known to reach there.
func (c *canaries) leak(t *testing.T, o *outside, temp string) {
	t.Helper()
	word := []byte("canary-leak-" + newID())
	c.needles[planted] = word
	o.on("postgres", "create table public.leak (text bytea)", fmt.Sprintf("insert into public.leak values ('\\x%x')", word))
	if err := os.WriteFile(filepath.Join(temp, "leak.txt"), word, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := sarama.NewConfig()
	settings.Version = sarama.V3_6_0_0
	settings.Producer.Return.Successes = true
	settings.Producer.Compression = sarama.CompressionZSTD
	admin, err := sarama.NewClusterAdmin(o.brokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic("leak", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
	producer, err := sarama.NewSyncProducer(o.brokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "leak", Value: sarama.ByteEncoder(word)}); err != nil {
		t.Fatal(err)
	}
}

// live is everything that a person can do with photos, by the API, the pages and the command line,
// and what goes wrong with it.
func (c *canaries) live(s *running) (left []accepted) {
	t := s.t
	post := func(path, field string, photo []byte, header http.Header) answer {
		t.Helper()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile(field, c.file+".jpg")
		if err == nil {
			_, err = part.Write(photo)
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, &body)
		if err != nil {
			t.Fatal(err)
		}
		if req.Header = header.Clone(); req.Header == nil {
			req.Header = http.Header{}
		}
		req.Header.Set("Content-Type", form.FormDataContentType())
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		content, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{res.StatusCode, res.Header, content}
	}
	mine := http.Header{"Idempotency-Key": {c.key}}
	// Downloaded, deleted, left; one of them by a request that was made twice.
	for _, photo := range [][]byte{c.png, c.jpeg} {
		left = append(left, s.accepted(post("/v1/images", "image", photo, nil)))
	}
	once := s.accepted(post("/v1/images", "image", c.png, mine))
	if again := s.accepted(post("/v1/images", "image", c.png, mine)); again.ID != once.ID {
		t.Errorf("%+v, and again %+v", once, again)
	}
	left = append(left, once)
	if res := post("/v1/images", "image", c.jpeg, mine); res.code != http.StatusUnprocessableEntity {
		t.Errorf("another photo under the same key: %s", res)
	}
	for _, a := range left {
		until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	}
	if res := s.ask(http.MethodGet, "/v1/images/"+left[0].ID+"/preview?of=original", left[0].Capability); res.code != http.StatusOK {
		t.Errorf("preview: %s", res)
	}
	if res := s.ask(http.MethodGet, "/v1/images/"+left[0].ID+"/result", left[0].Capability); res.code != http.StatusOK {
		t.Errorf("download: %s", res)
	}
	// One that breaks when it is decoded, and what is refused at once.
	broken := s.accepted(post("/v1/images", "image", c.png[:len(c.png)*3/4], nil))
	until(t, "the failure", func() bool { return s.status(broken) == "failed" })
	left = append(left, broken)
	for _, refused := range [][]byte{{}, []byte(c.file), c.jpeg[:40]} {
		if res := post("/v1/images", "image", refused, mine); res.code < 400 {
			t.Errorf("refused: %s", res)
		}
	}
	for _, path := range []string{"/v1.0/removebg", "/" + c.file, "/v1/images/" + c.file} {
		if res := post(path, "nothing", c.jpeg, nil); res.code < 400 {
			t.Errorf("POST %s: %s", path, res)
		}
	}
	// The pages, remove.bg's clients and the command line.
	res := post("/i", "image", c.jpeg, http.Header{"Origin": {s.url}})
	page, err := url.Parse(res.header.Get("Location"))
	if err != nil || res.code != http.StatusSeeOther {
		t.Fatalf("the page: %s", res)
	}
	if shown := s.ask(http.MethodGet, page.String(), ""); shown.code != http.StatusOK {
		t.Errorf("the picture's page: %s", shown)
	}
	left = append(left, accepted{ID: strings.TrimPrefix(page.Path, "/i/"), Capability: page.Query().Get("key")})
	if res = post("/v1.0/removebg", "image_file", c.png, nil); res.code != http.StatusOK {
		t.Errorf("removebg: %s", res)
	}
	photos := t.TempDir()
	if err := os.WriteFile(filepath.Join(photos, c.file+".png"), c.png, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := bgremover(t, "remove", photos, "-d", t.TempDir(), "--server", s.url); code != 0 {
		t.Errorf("remove: %s", errs)
	}
	// A member of staff, whose name is sealed under a key of their own.
	if _, errs, code := bgremover(t, "officer", "link", "--name", c.staff, "--role", "officer", "--data", s.data); code != 0 {
		t.Errorf("officer link: %s", errs)
	}
	return left
}

// deadLetter has a processor find an upload that it cannot understand.
func (c *canaries) deadLetter(t *testing.T, cfg kafka.Config) {
	t.Helper()
	source, publisher := kafka.NewSource(cfg), kafka.NewPublisher(cfg)
	defer source.Close()
	defer publisher.Close()
	f, err := source.Fetch(t.Context(), 0, time.Second)
	if err != nil || len(f.Entries) == 0 {
		t.Fatalf("%+v, %v", f, err)
	}
	spoilt := bytes.Replace(f.Entries[0].Body, []byte("image.uploaded"), []byte("image.unheard"), 1)
	if err := publisher.Publish(ledger.TopicWork, message.NewMessage(newID(), spoilt)); err != nil {
		t.Fatal(err)
	}
	until(t, "the dead letter", func() bool { return bytes.Contains(everything(t, cfg), []byte("reason_poisoned")) })
}

// rows is every row of every table, as text.
func (o *outside) rows(t *testing.T) []byte {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), o.postgres.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	found, err := pool.Query(t.Context(), `
		select format('select t::text from %I.%I t', n.nspname, c.relname)
		  from pg_class c join pg_namespace n on n.oid = c.relnamespace
		 where c.relkind in ('r', 'p', 'm')`)
	if err != nil {
		t.Fatal(err)
	}
	queries, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, query := range queries {
		found, err := pool.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for _, text := range texts {
			all.WriteString(text + "\n")
		}
	}
	if !bytes.Contains(all.Bytes(), []byte("image/")) {
		t.Fatal("no stream of a picture stands in any table: was anything read?")
	}
	return all.Bytes()
}

// everything is every message of every topic: keys, headers and values.
func everything(t *testing.T, cfg kafka.Config) []byte {
	t.Helper()
	settings := sarama.NewConfig()
	settings.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient(cfg.Brokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	topics, err := client.Topics()
	if err != nil || len(topics) < 4 {
		t.Fatalf("topics %v, %v", topics, err)
	}
	var all bytes.Buffer
	for _, topic := range topics {
		partitions, err := client.Partitions(topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, partition := range partitions {
			end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
			if err != nil {
				t.Fatal(err)
			}
			if end == 0 {
				continue
			}
			reading, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
			if err != nil {
				t.Fatal(err)
			}
			for m := range reading.Messages() {
				all.Write(m.Key)
				for _, h := range m.Headers {
					all.Write(h.Key)
					all.WriteByte(' ')
					all.Write(h.Value)
					all.WriteByte('\n')
				}
				all.Write(m.Value)
				all.WriteByte('\n')
				if m.Offset+1 >= end {
					break
				}
			}
			if err := reading.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all.Bytes()
}

// readsErased decodes every fact with the vault's keys: what was personal is erased, and
// nothing else is missing.
func readsErased(t *testing.T, s *running, pictures int) {
	t.Helper()
	g, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: s.data}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	policy, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := openVault(t.Context(), g.ground, s.data, policy, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	codec := ledger.NewCodec("", ledger.Facts(), vault)
	source := kafka.NewSource(g.kafka)
	defer source.Close()
	reader, last := ledger.NewReader(source, ledger.Position{}, ledger.ReaderOptions{}), int64(len(s.record()))
	erased := 0
	for seq := int64(0); seq < last; {
		entries, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seq = e.Seq
			env, err := codec.Decode(t.Context(), e.Seq, e.Body)
			if err != nil {
				t.Fatalf("fact %d: %v", e.Seq, err)
			}
			if upload, ok := env.Fact.(imagefacts.Uploaded); ok {
				if erased++; !upload.FileName.IsErased() {
					t.Errorf("the file's name of fact %d reads as %v", e.Seq, upload.FileName)
				}
			}
		}
	}
	if erased < pictures {
		t.Errorf("%d pictures were handed over, and %d uploads read", pictures, erased)
	}
}
