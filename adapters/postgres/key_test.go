package postgres

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/personal"
)

const keyID = personal.KeyID("image/01990000-0000-7000-8000-0000000000aa")

func testKey(t testing.TB, fill byte) *key {
	t.Helper()
	k, err := deriveKey(keyID, bytes.Repeat([]byte{fill}, keySize))
	must(t, err)
	return k
}

func sealed(t rapid.TB, k *key, plain, context []byte) []byte {
	t.Helper()
	var to bytes.Buffer
	w, err := k.SealTo(&to, context)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

func opened(k *key, sealed, context []byte) ([]byte, error) {
	r, err := k.OpenFrom(bytes.NewReader(sealed), context)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestFieldsOpenOnlyAsSealed(t *testing.T) {
	k := testKey(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		context := rapid.SliceOf(rapid.Byte()).Draw(t, "context")
		s, err := k.Seal(plain, context)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(s, context); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("came back as %x, %v", got, err)
		}
		s[rapid.IntRange(0, len(s)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := k.Open(s, context); !errors.Is(err, errNotOpened) {
			t.Fatalf("a changed bit opened: %v", err)
		}
	})
}

func TestSealedUnderAnotherKeyOrContext(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
	field, err := k.Seal([]byte("plain"), []byte("here"))
	must(t, err)
	stream := sealed(t, k, []byte("plain"), []byte("here"))
	for name, open := range map[string]func() ([]byte, error){
		"field, another key":     func() ([]byte, error) { return other.Open(field, []byte("here")) },
		"field, another context": func() ([]byte, error) { return k.Open(field, []byte("there")) },
		"stream, another key":    func() ([]byte, error) { return opened(other, stream, []byte("here")) },
		"stream, elsewhere":      func() ([]byte, error) { return opened(k, stream, []byte("there")) },
		"a stream as a field":    func() ([]byte, error) { return k.Open(stream, []byte("here")) },
		"a field as a stream":    func() ([]byte, error) { return opened(k, field, []byte("here")) },
		"nothing as a field":     func() ([]byte, error) { return k.Open(nil, []byte("here")) },
		"nothing as a stream":    func() ([]byte, error) { return opened(k, nil, []byte("here")) },
	} {
		if got, err := open(); !errors.Is(err, errNotOpened) || len(got) > 0 {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// The sizes at which segments begin and end.
func sizes() []int {
	const first, next = segment - 40 - tagSize, segment - tagSize
	return []int{0, 1, first - 1, first, first + 1, first + next - 1, first + next, first + next + 1, 3*segment + 5, 1 << 20}
}

func TestStreams(t *testing.T) {
	k := testKey(t, 1)
	for _, size := range sizes() {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			plain := bytes.Repeat([]byte("pixels! "), size/8+1)[:size]
			s := sealed(t, k, plain, []byte("c"))
			if got := k.PlainSize(int64(len(s))); got != int64(size) {
				t.Errorf("PlainSize(%d) = %d; want %d", len(s), got, size)
			}
			r, err := k.OpenFrom(iotest.HalfReader(bytes.NewReader(s)), []byte("c"))
			must(t, err)
			if err := iotest.TestReader(r, plain); err != nil {
				t.Error(err)
			}
			if size >= 8 && bytes.Contains(s, plain[:8]) {
				t.Error("the sealed bytes show plain ones")
			}
		})
	}
}

func TestPlainSizeOfTooLittle(t *testing.T) {
	k := testKey(t, 1)
	for _, n := range []int64{0, 1, 40, 55, 56} {
		if got := k.PlainSize(n); got != 0 {
			t.Errorf("PlainSize(%d) = %d; want 0", n, got)
		}
	}
}

// Wherever a stream is cut, changed or lengthened: what comes before the error is a
// beginning of what was sealed, whole segments of it, and the error stays.
func TestStreamsGiveNoByteUnauthenticated(t *testing.T) {
	k := testKey(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom(sizes()).Draw(t, "size")
		plain := bytes.Repeat([]byte("pixels! "), size/8+1)[:size]
		good := sealed(t, k, plain, nil)
		bad := bytes.Clone(good)
		at := rapid.IntRange(0, len(bad)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "damage") {
		case 0:
			bad[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			bad = bad[:at]
		default:
			bad = append(bad, good[at:]...)
		}
		r, err := k.OpenFrom(bytes.NewReader(bad), nil)
		if err != nil {
			if !errors.Is(err, errNotOpened) {
				t.Fatalf("got %v", err)
			}
			return
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, errNotOpened) || !bytes.HasPrefix(plain, got) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errNotOpened) {
			t.Fatalf("asked again: %d bytes, %v", n, err)
		}
	})
}

// A store that fails is not mistaken for damaged bytes.
func TestStreamsPassOnTheSourcesError(t *testing.T) {
	k := testKey(t, 1)
	s := sealed(t, k, make([]byte, 3*segment), nil)
	broken := errors.New("the disk broke")
	for _, cut := range []int{0, 10, segment, 2*segment + 5} {
		r, err := k.OpenFrom(io.MultiReader(bytes.NewReader(s[:cut]), iotest.ErrReader(broken)), nil)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, broken) {
			t.Errorf("cut at %d: %v; want %v", cut, err, broken)
		}
	}
}

// Sealed by the first release, under testKey(1) and the context "c". They stand in the
// record and in blob stores, so every later release must open them.
const (
	firstField  = "39542d860be2f57f164f9a59e09ec2b9c10eefacac5e71efac325fdb60eb146c70b67404"
	firstStream = "2873de795050b5d3df495bda978c6d0e38a513e1c51db24f80bd79254e088f" +
		"7e84819e08285dc05b8915bee295a8aaba97d266138cc179082f38cbf16015"
)

func TestWhatTheFirstReleaseSealedOpens(t *testing.T) {
	k := testKey(t, 1)
	if got, err := k.Open(unhex(t, firstField), []byte("c")); err != nil || string(got) != "name.jpg" {
		t.Errorf("the field opened as %q, %v", got, err)
	}
	if got, err := opened(k, unhex(t, firstStream), []byte("c")); err != nil || string(got) != "pixels" {
		t.Errorf("the stream opened as %q, %v", got, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}

// No foreign bytes open: under this key, only the one stream was ever sealed.
func FuzzOpenFrom(f *testing.F) {
	k, s := testKey(f, 1), unhex(f, firstStream)
	f.Add(s)
	f.Add(s[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, foreign []byte) {
		if got, err := opened(k, foreign, []byte("c")); err == nil && !bytes.Equal(foreign, s) {
			t.Errorf("%x opened as %x", foreign, got)
		}
	})
}

func TestKeysDoNotPrint(t *testing.T) {
	k := testKey(t, 'K')
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k)
	vault := &Vault{mac: k.secret}
	printed := fmt.Sprintf("%v %+v %#v %s %x %d", k, k, k, k, k, k) + fmt.Sprintf("%v %+v %#v %x %s", vault, vault, vault, vault, vault) +
		log.String()
	for _, secret := range []string{"KKKK", "4b4b", "75 75", "0x4b"} {
		if strings.Contains(printed, secret) {
			t.Errorf("printed: %s", printed)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	k := testKey(b, 1)
	for _, size := range []int{300 << 10, 22 << 20} {
		plain := make([]byte, size)
		b.Run(fmt.Sprintf("seal %d KiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				w, err := k.SealTo(io.Discard, nil)
				must(b, err)
				_, err = w.Write(plain)
				must(b, err)
				must(b, w.Close())
			}
		})
		s := sealed(b, k, plain, nil)
		b.Run(fmt.Sprintf("open %d KiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r, err := k.OpenFrom(bytes.NewReader(s), nil)
				must(b, err)
				_, err = io.Copy(io.Discard, r)
				must(b, err)
			}
		})
	}
}
