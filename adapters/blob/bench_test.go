package blob

import (
	"bytes"
	"fmt"
	"testing"
)

// What durability costs: the same put with and without flushing to the disk.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{300 << 10, 1 << 20, 5 << 20, 22 << 20} {
		for _, durable := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d KiB/durable=%t", size>>10, durable), func(b *testing.B) {
				s, err := OpenFS(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				if create := s.create; !durable {
					s.flush = func(string) error { return nil }
					s.create = func(name string) (file, error) {
						f, err := create(name)
						return unflushed{f}, err
					}
				}
				sealed := make([]byte, size)
				b.SetBytes(int64(size))
				for n := 0; b.Loop(); n++ {
					// A new name each: replacing a file makes ext4 flush by itself.
					name := fmt.Sprintf("01990000-0000-7000-8000-%012x/original", n)
					if err := s.Put(b.Context(), name, bytes.NewReader(sealed)); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := s.Delete(b.Context(), name); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}

type unflushed struct{ file }

func (unflushed) Sync() error { return nil }
