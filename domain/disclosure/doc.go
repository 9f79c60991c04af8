// Package disclosure is one request for data from an authority or a partner: registered,
// approved by others than the one who registered it, decided by the rules of sharing, and
// carried out or refused; and then those whom it concerns are told.
//
// Read it in this order: events.go (what can have happened), disclosure.go (the state that
// those facts add up to), then one decision each: request.go, approve.go, decide.go, make.go,
// tell.go.
//
// Whether data may be given is for the rules to say, and their answer is passed in. A picture
// is never among what can be given: no fact here has a place for one, and what is given away is
// put together without any way to the store of pictures.
package disclosure
