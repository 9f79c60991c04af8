package policy

// Blank is what the published text leaves to whoever runs the service.
type Blank string

// The blanks.
const (
	Name      Blank = "name"
	Address   Blank = "address"
	Region    Blank = "region"
	Contact   Blank = "contact"
	Authority Blank = "authority"
)

// Blanks lists them.
func Blanks() []Blank { return []Blank{Name, Address, Region, Contact, Authority} }

// Operator is what the one who runs the service has stated about it. Anything may be empty.
type Operator struct {
	Name      string // of the controller
	Address   string // on one line
	Region    string // where the servers are
	Contact   string // e-mail address for everything about data
	Authority string // the supervisory authority
}

// Of returns what fills a blank; empty if nothing was stated.
func (o Operator) Of(b Blank) string {
	switch b {
	case Name:
		return o.Name
	case Address:
		return o.Address
	case Region:
		return o.Region
	case Contact:
		return o.Contact
	case Authority:
		return o.Authority
	}
	return ""
}
