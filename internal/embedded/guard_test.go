package embedded

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// frame is a Kafka request: length, key, version 0, correlation 1, no client id.
func frame(key uint16, body []byte) []byte {
	request := binary.BigEndian.AppendUint16(nil, key)
	request = append(request, 0, 0, 0, 0, 0, 1, 0xff, 0xff)
	request = append(request, body...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)
}

// letThrough is what of sent reaches the broker.
func letThrough(t *testing.T, sent []byte) []byte {
	t.Helper()
	outside, inside := net.Pipe()
	go func() {
		_, _ = outside.Write(sent) // the guard may hang up half-way
		outside.Close()
	}()
	defer inside.Close()
	passed, _ := io.ReadAll(&guardedConn{Conn: inside, password: []byte("correct horse")})
	return passed
}

func TestGuardAdmitsOnlyThePassword(t *testing.T) {
	hello, right, wrong := frame(keyAPIVersions, nil), frame(keySASLAuthenticate, []byte("\x00me\x00correct horse")), frame(keySASLAuthenticate, []byte("\x00me\x00"))
	produce := frame(0, bytes.Repeat([]byte("x"), 2*maxUnknownFrame))
	for name, c := range map[string]struct{ sent, want [][]byte }{
		"the right password opens all":   {[][]byte{hello, right, produce}, [][]byte{hello, right, produce}},
		"an empty one does not":          {[][]byte{hello, wrong, produce}, [][]byte{hello}},
		"nor a second try":               {[][]byte{wrong, right, produce}, nil},
		"nothing else goes before it":    {[][]byte{hello, frame(0, nil), right}, [][]byte{hello}},
		"no unknown request":             {[][]byte{frame(9999, nil)}, nil},
		"no frame of four gigabytes":     {[][]byte{{0xff, 0xff, 0xff, 0xff, 0, 36}, right}, nil},
		"no frame too short for its key": {[][]byte{{0, 0, 0, 1, 0}, right}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := letThrough(t, bytes.Join(c.sent, nil)), bytes.Join(c.want, nil); !bytes.Equal(got, want) {
				t.Errorf("%d bytes got through, want %d", len(got), len(want))
			}
		})
	}
}

func FuzzGuard(f *testing.F) {
	f.Add(frame(keyAPIVersions, nil))
	f.Add(frame(keySASLAuthenticate, []byte("\x00me\x00correct horse")))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, sent []byte) {
		passed := letThrough(t, sent)
		if !bytes.HasPrefix(sent, passed) {
			t.Fatal("the guard changed what was sent")
		}
		if bytes.Contains(passed, []byte("correct horse")) {
			return
		}
		for len(passed) > 0 { // whole frames of the three requests that anybody may send
			size := binary.BigEndian.Uint32(passed)
			if key := binary.BigEndian.Uint16(passed[4:]); key != keyAPIVersions && key != keySASLHandshake {
				t.Fatalf("request %d got through without the password", key)
			}
			passed = passed[4+size:]
		}
	})
}
