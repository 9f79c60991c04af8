package usecase

import (
	"fmt"
	"time"
)

// RetentionStatus is how it stands with everything that ends by its time, for people.
type RetentionStatus struct {
	Now      time.Time    `json:"now"`      // as the engine has it
	Revision int64        `json:"revision"` // of the rules in force
	Jump     *Jump        `json:"jump,omitempty"`
	HeldUp   bool         `json:"held_up"` // no photo is taken, because deletions are late
	Kinds    []KindStatus `json:"kinds"`   // by name
}

// KindStatus is how it stands with one kind of the retention data.
type KindStatus struct {
	Kind    string        `json:"kind"`
	Period  time.Duration `json:"period"` // the longest, for what begins now
	Rule    string        `json:"rule"`   // that decides when something goes
	By      string        `json:"by,omitempty"`
	Why     string        `json:"why,omitempty"` // nothing of the kind is kept here
	Waiting int64         `json:"waiting"`
	Due     time.Time     `json:"due,omitzero"` // when the first of it has to be gone
	Late    time.Duration `json:"late"`         // how long that has been
	KeptBy  []string      `json:"kept_by,omitempty"`
	Held    []string      `json:"held,omitempty"` // fields that live holds name
	Purged  *LastPurge    `json:"purged,omitempty"`
}

// LastPurge is what was deleted last of a kind.
type LastPurge struct {
	Due    time.Time `json:"due"` // when the first of it had to be gone
	Actual time.Time `json:"actual"`
	Count  int64     `json:"count"`
	Total  int64     `json:"total"` // with all before
}

// Lasts is the period as people say it.
func (k KindStatus) Lasts() string {
	const day = 24 * time.Hour
	switch {
	case k.Period <= 0:
		return "none: at once"
	case k.Period%day != 0:
		return k.Period.String()
	case k.Period == day:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", k.Period/day)
	}
}
