package fake

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Service is the whole life of a picture in memory: what is uploaded is cut out at once, by the real use
// cases over the fakes of this package.
type Service struct {
	Record *Record
	Vault  *Vault
	Blobs  *Blobs
	Leases *Leases
	Cutter Cutter
	Told   *Decisions

	Upload   usecase.Upload
	Watch    usecase.Watch
	Preview  usecase.Preview
	Download usecase.Download
	Delete   usecase.Delete
	Process  usecase.Process
	Due      usecase.DeleteDue

	working sync.WaitGroup
	next    atomic.Int64
}

// NewService wires a service whose clock is now and whose pictures live for a day. The cutter may
// hold cutouts back; the caller must let them go before it waits for the service.
func NewService(now usecase.Now, cutter Cutter) *Service {
	vault := NewVault()
	s := &Service{Record: NewRecord(vault), Vault: vault, Blobs: &Blobs{}, Leases: &Leases{}, Cutter: cutter, Told: &Decisions{}}
	reads := usecase.Reads{Access: Readers{}, Decisions: s.Told}
	policy := Retention{Period: 24 * time.Hour}
	s.Process = usecase.Process{Record: s.Record, Vault: vault, Blobs: s.Blobs, Cutter: cutter, Attempts: &Attempts{}, Reads: reads, Now: now}
	s.Upload = usecase.Upload{
		Record: processing{s.Record, s}, Vault: vault, Blobs: s.Blobs, Retention: policy, Secrets: Secrets{}, Requests: &Requests{},
		Inspect: Inspect, Gate: NewGate(Uploads{}, s.Told, s.Record, vault, now),
		Crowded: func() bool { return false }, Holdup: func() error { return nil }, Now: now, NewImage: s.newImage,
	}
	s.Watch = usecase.Watch{Record: s.Record}
	s.Preview = usecase.Preview{Record: s.Record, Vault: vault, Blobs: s.Blobs, Shrinker: cutter, Reads: reads}
	sent := &Deliveries{}
	s.Download = usecase.Download{
		Record: s.Record, Vault: vault, Blobs: s.Blobs, Retention: policy, Leases: s.Leases, Deliveries: sent, Reads: reads, Now: now,
	}
	s.Delete = usecase.Delete{Record: s.Record, Blobs: s.Blobs, Retention: policy, Decisions: s.Told, Now: now}
	s.Due = usecase.DeleteDue{
		Record: s.Record, Blobs: s.Blobs, Retention: policy, Images: dueIn{s.Record}, Leases: s.Leases, Deliveries: sent, Now: now,
	}
	return s
}

// Wait returns once nothing is being cut out.
func (s *Service) Wait() { s.working.Wait() }

func (s *Service) newImage() id.Image {
	return id.Image(fmt.Sprintf("01900000-0000-7000-8000-%012d", s.next.Add(1)))
}

// processing starts a cutout with every upload that is recorded.
type processing struct {
	*Record
	service *Service
}

func (p processing) Append(ctx context.Context, a event.Append) (event.Appended, error) {
	done, err := p.Record.Append(ctx, a)
	if err != nil || done.Repeated {
		return done, err
	}
	for _, env := range done.Facts {
		img, _ := image.OfStream(env.Stream)
		if _, uploaded := env.Fact.(image.Uploaded); uploaded {
			p.service.working.Go(func() {
				// A cutout that fails for good is a fact; anything else would be a fault of the fakes.
				if err := p.service.Process.Do(context.WithoutCancel(ctx), img); err != nil {
					panic(err)
				}
			})
		}
	}
	return done, nil
}

// dueIn lists the due pictures of a record.
type dueIn struct{ record *Record }

func (d dueIn) Due(_ context.Context, now time.Time, limit int) ([]id.Image, error) {
	var due []id.Image
	for _, env := range d.record.All() {
		img, ok := image.OfStream(env.Stream)
		if _, uploaded := env.Fact.(image.Uploaded); !ok || !uploaded {
			continue
		}
		history, err := d.record.Load(context.Background(), env.Stream)
		if err != nil {
			return nil, err
		}
		state := image.FromRecord(history)
		if state.Status() != image.Gone && !state.Due().After(now) && len(due) < limit {
			due = append(due, img)
		}
	}
	return due, nil
}
