// Package staff is who works here, by name and role: invited, signed in, and shown personal data.
//
// Read it in this order: events.go (what can have happened), staff.go (the member that those
// facts add up to), then one decision each: invite.go, sign_in.go, read.go.
//
// It knows no passwords, links or sessions: those are not in the record. A member's name is
// sealed under a key of the member's own, and is known here only as a personal text.
package staff
