package usecase

import "context"

// Check looks at one property of the live service, on a schedule. Its name is permanent.
type Check struct {
	Name     string   // "policy.contradictions"
	Promises []string // that it backs
	Look     func(context.Context) (Looked, error)
}

// Looked is what a check saw. One that looked at nothing has failed: it cannot know.
type Looked struct {
	At    int64  // how many things
	Found int64  // how many of them are wrong
	Code  string // permanent: what is wrong with them; "" if nothing is
}
