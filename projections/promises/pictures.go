package promises

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
)

// pictures are the changes of pictures, by their ids.
type pictures map[string]*pictureChange

// pictureChange is what a run of facts makes of one picture: the first download, the first deletion.
type pictureChange struct {
	begun      bool
	due        *time.Time // the earliest
	downloaded *time.Time
	deleted    *time.Time
	keyGone    bool
}

func (p pictures) to(img string) *pictureChange {
	if p[img] == nil {
		p[img] = &pictureChange{}
	}
	return p[img]
}

func (p pictures) add(env event.Envelope) {
	stream := env.Stream
	if e, ok := env.Fact.(system.KeyDestroyed); ok {
		stream = event.Stream(e.Key) // a key has the name of its subject's stream
	}
	img, ok := image.OfStream(stream)
	if !ok {
		return
	}
	id := string(img)
	switch e := env.Fact.(type) {
	case image.Uploaded:
		p[id] = &pictureChange{begun: true, due: &e.Due}
	case image.DeletionDueChanged:
		if one := p.to(id); one.due == nil || e.Due.Before(*one.due) {
			one.due = &e.Due
		}
	case image.Downloaded:
		if one := p.to(id); e.Whole && one.downloaded == nil && one.deleted == nil {
			one.downloaded = &env.At
		}
	case image.Deleted:
		if one := p.to(id); one.deleted == nil {
			one.deleted = &e.Actual
		}
	case system.KeyDestroyed:
		p.to(id).keyGone = true
	}
}

// queue lines up one statement for each step of a picture's life, in their order.
func (p pictures) queue(b *pgx.Batch) {
	var begun, hurried, downloaded, deleted, unsealed, ended []string
	var due, sooner, downloadedAt, deletedAt []time.Time
	for img, one := range p {
		switch {
		case one.begun:
			begun, due = append(begun, img), append(due, *one.due)
		case one.due != nil:
			hurried, sooner = append(hurried, img), append(sooner, *one.due)
		}
		if one.downloaded != nil {
			downloaded, downloadedAt = append(downloaded, img), append(downloadedAt, *one.downloaded)
		}
		if one.deleted != nil {
			deleted, deletedAt = append(deleted, img), append(deletedAt, *one.deleted)
		}
		if one.keyGone {
			unsealed = append(unsealed, img)
		}
		if one.deleted != nil || one.keyGone {
			ended = append(ended, img)
		}
	}
	if len(begun) > 0 {
		b.Queue(beginPicture, begun, due)
	}
	if len(hurried) > 0 {
		b.Queue(hurryPicture, hurried, sooner)
	}
	if len(downloaded) > 0 {
		b.Queue(downloadPicture, downloaded, downloadedAt)
	}
	if len(deleted) > 0 {
		b.Queue(deletePicture, deleted, deletedAt, delays, bounds, longer)
	}
	if len(unsealed) > 0 {
		b.Queue(unsealPicture, unsealed)
	}
	if len(ended) > 0 {
		b.Queue(endPicture, ended)
	}
}

const beginPicture = `
	insert into picture (image, due)
	select * from unnest($1::uuid[], $2::timestamptz[])
	on conflict (image) do nothing`

const hurryPicture = `
	update picture as p
	   set due = least(p.due, c.due)
	  from unnest($1::uuid[], $2::timestamptz[]) as c (image, due)
	 where p.image = c.image`

const downloadPicture = `
	update picture as p
	   set downloaded_at = c.at
	  from unnest($1::uuid[], $2::timestamptz[]) as c (image, at)
	 where p.image = c.image and p.downloaded_at is null and p.deleted_at is null`

// bounds are the upper bounds, inclusive, of the delays' buckets in milliseconds.
var bounds = []int64{0, 10, 100, 1000, 10_000, 60_000}

// longer is the class of the bucket above the last bound.
const longer = "longer"

// deletePicture also counts how long the deletion took after the download.
const deletePicture = `
	with gone as (
	  update picture as p
	     set deleted_at = c.at
	    from unnest($1::uuid[], $2::timestamptz[]) as c (image, at)
	   where p.image = c.image and p.deleted_at is null
	  returning c.at, p.downloaded_at
	), measured as (
	  select date_trunc('hour', at, 'UTC') as hour,
	         greatest(0, round(extract(epoch from at - downloaded_at) * 1000)::bigint) as ms
	    from gone
	   where downloaded_at is not null
	), bucketed as (
	  select hour, coalesce((select min(bound) from unnest($4::bigint[]) as bound where ms <= bound)::text, $5) as class, ms
	    from measured
	), hourly as (
	  insert into tally as t (hour, what, class, n, worst)
	  select hour, $3, class, count(*), max(ms) from bucketed group by hour, class
	  on conflict (hour, what, class) do update
	     set n = t.n + excluded.n, worst = greatest(t.worst, excluded.worst)
	)
	insert into total as t (what, class, n, worst)
	select $3, class, count(*), max(ms) from bucketed group by class
	on conflict (what, class) do update
	   set n = t.n + excluded.n, worst = greatest(t.worst, excluded.worst)`

const unsealPicture = `
	update picture
	   set key_gone = true
	 where image = any($1::uuid[])`

const endPicture = `
	delete from picture
	 where image = any($1::uuid[]) and deleted_at is not null and key_gone`

// visits are visitors' days: their days, or "" where the key is gone.
type visits map[string]string

func (v visits) add(env event.Envelope) {
	switch e := env.Fact.(type) {
	case visit.Began:
		v[string(env.Stream)] = e.Day
	case system.KeyDestroyed:
		if system.KeyKind(e.Key) == visitKind {
			v[string(e.Key)] = ""
		}
	}
}

const visitKind = "visit"

func (v visits) queue(b *pgx.Batch) {
	var begun, days, ended []string
	for one, day := range v {
		if day == "" {
			ended = append(ended, one)
			continue
		}
		begun, days = append(begun, one), append(days, day)
	}
	if len(begun) > 0 {
		b.Queue(`insert into visit (visit, day) select * from unnest($1::text[], $2::date[]) on conflict (visit) do nothing`, begun, days)
	}
	if len(ended) > 0 {
		b.Queue(`delete from visit where visit = any($1::text[])`, ended)
	}
}
