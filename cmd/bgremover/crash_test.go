package main

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// repairIHDR gives a PNG other dimensions and a header that is valid for them.
func repairIHDR(png []byte, width, height uint32) []byte {
	const start, end = 12, 29 // "IHDR" and its 13 bytes
	binary.BigEndian.PutUint32(png[16:], width)
	binary.BigEndian.PutUint32(png[20:], height)
	binary.BigEndian.PutUint32(png[end:], crc32.ChecksumIEEE(png[start:end]))
	return png
}

// kills is how often the service is killed under load.
const (
	kills   = 4
	uploads = 5 // at most, by each client between two kills
)

// Killed at any moment, the service loses nothing that it acknowledged, does nothing twice,
// and finishes what it had begun.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	var acknowledged []accepted
	for round := range kills {
		s := serve(t, data)
		var (
			mu      sync.Mutex
			clients sync.WaitGroup
		)
		for range 3 {
			clients.Go(func() {
				for range uploads {
					res, err := s.post("/v1/images", "image", photo(t), nil)
					if err != nil || res.code != http.StatusAccepted {
						return // killed
					}
					var a accepted
					if json.Unmarshal(res.body, &a) == nil {
						mu.Lock()
						acknowledged = append(acknowledged, a)
						mu.Unlock()
					}
				}
			})
		}
		if round == kills-1 { // so that something was acknowledged at all
			until(t, "an upload to be acknowledged", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(acknowledged) > 0
			})
		}
		// Some are being uploaded, some cut out, some wait: the moment is chance.
		<-time.After(time.Duration(rand.IntN(1000)) * time.Millisecond)
		s.kill()
		clients.Wait()
		t.Logf("round %d: %d uploads acknowledged so far", round+1, len(acknowledged))
	}
	if len(acknowledged) == 0 {
		t.Fatal("nothing was acknowledged, so nothing was tried")
	}

	s := serve(t, data)
	for _, a := range acknowledged {
		until(t, "the outcome of an acknowledged upload", func() bool { return s.status(a) != "waiting" })
	}
	checkRecord(t, s.record(), acknowledged)
	s.stop()

	// And what is due is deleted, whatever had happened to it.
	s = serve(t, data, "--clock-offset", "25h")
	for _, a := range acknowledged {
		until(t, "the deletion of what was due", func() bool { return s.status(a) == "deleted" })
	}
	uploads, deletions := s.record("--type", "image.uploaded.v1"), s.record("--type", "image.deleted.v1")
	if len(uploads) != len(deletions) {
		t.Errorf("%d uploads, %d deletions", len(uploads), len(deletions))
	}
	s.stop()
}

// Two services on one PostgreSQL, one Kafka and one store share the work; one of them dies.
func TestOneOfTwoDies(t *testing.T) {
	kafka := embeddedtest.NewKafka(t)
	t.Setenv("BGREMOVER_POSTGRES", embeddedtest.NewDatabase(t))
	t.Setenv("BGREMOVER_KAFKA", strings.Join(kafka.Brokers(), ","))
	t.Setenv("BGREMOVER_KAFKA_USER", kafka.Username())
	t.Setenv("BGREMOVER_KAFKA_PASSWORD", kafka.Password())
	t.Setenv("BGREMOVER_BLOBS", filepath.Join(embeddedtest.TempDir(t), "blobs"))

	first := serve(t, dataFolder(t))
	// The second needs the same key-encryption keyset, and says so.
	second := dataFolder(t)
	_, errs, code := bgremover(t, "serve", "--data", second, "--addr", "127.0.0.1:0", "--metrics-addr", "",
		"--model", "u2netp", "--accept-model-passport", "u2netp")
	if code == 0 || !strings.Contains(errs, "keyset") {
		t.Fatalf("without the keyset: exit code %d, %s", code, errs)
	}
	keyset, err := os.ReadFile(filepath.Join(first.data, "keyset"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(second, "keyset"), keyset)
	other := serve(t, second)

	var acknowledged []accepted
	for i := range 12 {
		via := []*running{first, other}[i%2]
		acknowledged = append(acknowledged, via.upload(photo(t)))
	}
	first.kill()
	for _, a := range acknowledged {
		until(t, "the cutout of an acknowledged upload", func() bool { return other.status(a) == "ready" })
	}
	checkRecord(t, other.record(), acknowledged)

	// A capability that one service gave opens the picture at the other.
	res := other.ask(http.MethodGet, "/v1/images/"+acknowledged[0].ID+"/result", acknowledged[0].Capability)
	if res.code != http.StatusOK {
		t.Errorf("download at the other service: %s", res)
	}
	other.stop()
}

// checkRecord says whether the numbers have no hole, no stream has a version twice, every
// acknowledged upload is there, and each has one outcome.
func checkRecord(t *testing.T, record []operator.Line, acknowledged []accepted) {
	t.Helper()
	count := map[string]int{}
	version := map[string]int64{}
	suspects := 0
	for i, l := range record {
		if l.Seq != int64(i+1) {
			t.Fatalf("line %d has seq %d", i+1, l.Seq)
		}
		if version[string(l.Subject)]++; l.Version != version[string(l.Subject)] {
			t.Errorf("%s has version %d after %d", l.Subject, l.Version, version[string(l.Subject)]-1)
		}
		count[string(l.Type)+" "+string(l.Subject)]++
	}
	for _, a := range acknowledged {
		if n := count["image.uploaded.v1 image/"+a.ID]; n != 1 {
			t.Errorf("%s: uploaded %d times", a.ID, n)
		}
		// A photo that was being cut out at two of the kills is under suspicion, and not tried a third time.
		processed, failed := count["image.processed.v1 image/"+a.ID], count["image.processing_failed.v1 image/"+a.ID]
		if processed+failed != 1 {
			t.Errorf("%s: processed %d times, given up %d times", a.ID, processed, failed)
		}
		if failed > 0 {
			suspects++
		}
	}
	if most := kills / 2 * runtime.NumCPU(); suspects > most {
		t.Errorf("%d photos were given up; %d kills can have hit %d twice", suspects, kills, most)
	}
}
