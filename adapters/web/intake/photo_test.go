package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
)

func request(t testing.TB, kind string, body io.Reader) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", body)
	r.Header.Set("Content-Type", kind)
	return r
}

func newIntake() *Intake {
	return &Intake{Budget: NewBudget(1<<30, time.Second), Total: time.Minute, Stall: time.Minute}
}

// Whatever stands in a form, it is one photo of a lawful size or a refusal, and the memory is given back.
func FuzzPhoto(f *testing.F) {
	const kind = "multipart/form-data; boundary=x"
	part := "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"\r\n\r\nPHOTO\r\n"
	f.Add(kind, []byte(part+"--x--\r\n"))
	f.Add(kind, []byte(part+part+"--x--\r\n"))
	f.Add(kind, []byte("--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"\xff\\\"/../.jpg\"\r\n\r\n\r\n--x--"))
	f.Add("multipart/form-data; boundary=\"", []byte("--"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		in := newIntake()
		photo, err := in.Photo(httptest.NewRecorder(), request(t, kind, bytes.NewReader(body)))
		if err != nil {
			if _, refused := refusal.As(err); !refused {
				t.Errorf("a form of %q leads to a fault of ours: %v", kind, err)
			}
		} else {
			name, _ := photo.FileName.Reveal()
			if len(photo.Bytes) > len(body) || len(name) > maxFileName || !utf8.ValidString(name) {
				t.Errorf("%d bytes named %q out of %d bytes", len(photo.Bytes), name, len(body))
			}
			photo.Release()
		}
		if !in.Budget.sem.TryAcquire(1 << 30) {
			t.Error("memory is not given back")
		}
	})
}

func TestFileNamesAreShortenedAsText(t *testing.T) {
	for given, want := range map[string]string{
		"a.jpg":                   "a.jpg",
		"\xffa.jpg":               "a.jpg",
		strings.Repeat("ü", 200):  strings.Repeat("ü", 127),
		"":                        "",
		strings.Repeat("a", 1000): strings.Repeat("a", 255),
	} {
		if got, _ := FileName(given).Reveal(); got != want {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}

// zeros gives as many bytes as one likes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestBodyKnowsItsEnd(t *testing.T) {
	tests := map[string]struct {
		size int64
		want error
	}{
		"just fits":     {1000, nil},
		"one too many":  {1001, &http.MaxBytesError{}},
		"far too large": {1 << 20, &http.MaxBytesError{}},
	}
	for name, tt := range tests {
		for announced, length := range map[string]int64{"announced": tt.size, "not announced": -1} {
			t.Run(name+", "+announced, func(t *testing.T) {
				r := request(t, "", io.LimitReader(zeros{}, tt.size))
				r.ContentLength = length
				body, err := newIntake().Open(httptest.NewRecorder(), r, 1000, 1)
				var n int64
				if err == nil {
					n, err = io.Copy(io.Discard, body)
				}
				_, tooLarge := errors.AsType[*http.MaxBytesError](err)
				if tooLarge != (tt.want != nil) || n > 1000 || tt.want == nil && n != tt.size {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		}
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100, time.Second)
		first, err := b.Reserve(t.Context(), 60)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := b.Reserve(t.Context(), 60); !errors.Is(err, answer.ErrBusy) || time.Since(began) != time.Second {
			t.Errorf("without room: %v after %s", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Reserve(ctx, 60); !errors.Is(err, context.Canceled) {
			t.Errorf("for somebody who left: %v", err)
		}
		time.AfterFunc(time.Second/2, func() {
			first()
			first() // has no further effect
		})
		all, err := b.Reserve(t.Context(), image.MaxBytes) // more than there is: it gets all there is
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Reserve(t.Context(), 1); !errors.Is(err, answer.ErrBusy) {
			t.Errorf("beside one that has everything: %v", err)
		}
		all()
	})
}
