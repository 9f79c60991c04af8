package staff

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Reasons an invitation is refused.
var (
	ErrName = refusal.New(refusal.Invalid, "staff.name",
		"A name has 1 to 100 characters on one line.", "Give the name that colleagues know the person by.")
	ErrRole = refusal.New(refusal.Invalid, "staff.role",
		"There is no such role.", "Use officer, responder or dpo.")
)

// longestName is how many characters a name may have.
const longestName = 100

// Roles lists the roles that a member of staff can have.
func Roles() []event.Role { return []event.Role{event.Officer, event.Responder, event.DPO} }

// NameOf returns a name as it is recorded: without spaces around it, and single ones in it.
func NameOf(plain string) (personal.Text, error) {
	if !utf8.ValidString(plain) || strings.ContainsFunc(plain, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) {
		return personal.Text{}, ErrName
	}
	plain = strings.Join(strings.Fields(plain), " ")
	if n := utf8.RuneCountInString(plain); n < 1 || n > longestName {
		return personal.Text{}, ErrName
	}
	return personal.Of(plain), nil
}

// Invite is the wish that a person works here in a role.
type Invite struct {
	Role event.Role
	Name personal.Text // of [NameOf]
}

// DecideInvite returns the fact that follows. ok is false when the member has that role already.
func DecideInvite(m Member, i Invite) (fact Invited, ok bool, err error) {
	switch {
	case i.Name.IsEmpty():
		return Invited{}, false, ErrName
	case !slices.Contains(Roles(), i.Role):
		return Invited{}, false, ErrRole
	case m.Is(i.Name) && m.Role() == i.Role:
		return Invited{}, false, nil
	}
	return Invited(i), true, nil
}
