package main

import (
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		processed, failed := count["image.processed.v1 image/"+a.ID], count["image.processing_failed.v1 image/"+a.ID]
		if processed+failed != 1 {
			t.Errorf("%s: processed %d times, given up %d times", a.ID, processed, failed)
		}
		if failed > 0 {
			suspects++
		}
	}
	if suspects > 0 {
		t.Errorf("%d photos were given up, and one death can have hit none twice", suspects)
	}
}
