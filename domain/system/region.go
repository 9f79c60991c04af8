package system

import "github.com/bgremover/bgremover/domain/event"

// RegionDeclared says where the servers are from now on, as the operator states it.
type RegionDeclared struct {
	Region string `json:"region"`
}

// TransferDecided says whether personal data may go from one country to another. The
// decision's input has the safeguard.
type TransferDecided struct {
	From      string `json:"from"` // ISO 3166-1 alpha-2
	To        string `json:"to"`
	Safeguard string `json:"safeguard"`
	Recipient string `json:"recipient"` // category, of the sharing data
	Allowed   bool   `json:"allowed"`
}

// EventName implements [event.Fact].
func (RegionDeclared) EventName() event.Name { return "region.declared.v1" }

// EventName implements [event.Fact].
func (TransferDecided) EventName() event.Name { return "transfer.decided.v1" }

// RegionStream returns the stream of where the servers are.
func RegionStream() event.Stream { return event.DerivedStream("region", "declared") }

// TransferStream returns the stream of what was decided about a pair of countries.
func TransferStream(from, to string) event.Stream {
	return event.DerivedStream("transfer", from, to)
}
