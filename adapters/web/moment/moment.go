// Package moment reads what people mean by "as known at": a place in the record, or a time.
//
// moment.go reads it, place.go finds the place that it stands for. What is known at a time is
// everything up to the last fact that was recorded at or before it: facts are numbered in the
// order in which they were recorded, so that place is a number like any other.
package moment

import (
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrForm answers what is neither a place nor a time.
var ErrForm = refusal.New(refusal.Invalid, "moment.form",
	"This is neither a fact's number nor a time.",
	"Write a number such as 1234, or a time in UTC such as 2026-03-02 12:00 or 2026-03-02T12:00:00Z.")

// Moment is a place in the record, or a time. The zero value is neither: it stands for now.
type Moment struct {
	Seq  int64
	Time time.Time
}

// IsZero says that no moment was given.
func (m Moment) IsZero() bool { return m.Seq == 0 && m.Time.IsZero() }

// Parse reads a place or a time; "" is the zero moment.
func Parse(s string) (Moment, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Moment{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 1 && s[0] != '+' {
		return Moment{Seq: n}, nil
	}
	t, err := ParseTime(s)
	if err != nil {
		return Moment{}, ErrForm
	}
	return Moment{Time: t}, nil
}

// forms are how a time can be written: RFC 3339, or without a zone for UTC, as exactly as one cares.
var forms = []string{
	time.RFC3339,
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04", // what browsers send of a field for dates and times
	"2006-01-02",
}

// ErrTime answers what is no time.
var ErrTime = refusal.New(refusal.Invalid, "moment.time",
	"This is no time.", "Write it in UTC, such as 2026-03-02 12:00 or 2026-03-02T12:00:00Z.")

// ParseTime reads a time, UTC unless it says otherwise. "" is the zero time.
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range forms {
		// The record's times have years of four digits.
		if t, err := time.Parse(form, s); err == nil && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, ErrTime
}
