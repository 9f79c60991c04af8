package usecase

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
	"unique"

	"github.com/bgremover/bgremover/domain/personal"
)

// Client is where a request comes from, as far as limits and technical data need to know. It
// prints as "[personal]", and what it holds leaves this package sealed or not at all.
//
// The zero value is somebody of whom nothing is known. All of them together count as one
// visitor, so that a caller who forgets to say who asks opens no hole.
type Client struct {
	// A handle prints as an address in memory, also inside of other structs.
	address unique.Handle[netip.Addr]
	agent   personal.Text
	from    origin
}

type origin uint8

const (
	unknown origin = iota
	network
	machine
)

// ThisMachine is a program on the machine that the service runs on, without a proxy between
// them: the operator. Nothing is counted or remembered of it.
var ThisMachine = Client{from: machine}

// agentLongest is how many bytes of what a program says about itself are kept.
const agentLongest = 256

// NewClient returns a client of a network address; one that is not valid is unknown.
func NewClient(address netip.Addr, agent string) Client {
	if !address.IsValid() {
		return Client{}
	}
	agent = strings.ToValidUTF8(agent, "")
	for len(agent) > agentLongest {
		_, last := utf8.DecodeLastRuneInString(agent)
		agent = agent[:len(agent)-last]
	}
	return Client{address: unique.Make(address.Unmap().WithZone("")), agent: personal.Of(agent), from: network}
}

// Format hides the client from every verb of fmt.
func (Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, personal.Of("client")) }

// MarshalText hides the client from encoders that write text.
func (Client) MarshalText() ([]byte, error) { return personal.Of("client").MarshalText() }

// visitor returns the addresses that are taken for one visitor: one of IPv4, and of IPv6 the 64
// bits that one household or device has to itself.
func (c Client) visitor() netip.Prefix { return c.prefix(32, 64) }

// network returns the neighbourhood that an address was handed out in.
func (c Client) network() netip.Prefix { return c.prefix(24, 48) }

// prefix returns the zero value for an unknown client.
func (c Client) prefix(v4, v6 int) netip.Prefix {
	if c.from != network {
		return netip.Prefix{}
	}
	address, bits := c.address.Value(), v6
	if address.Is4() {
		bits = v4
	}
	prefix, _ := address.Prefix(bits) // both lengths are possible
	return prefix
}

// blinder makes of addresses what says nothing without its key, and the key leaves memory never.
type blinder [sha256.Size]byte

// blind is an address under a key of this process.
type blind [16]byte

func newBlinder() (b blinder) {
	_, _ = rand.Read(b[:]) // never fails
	return b
}

func (b *blinder) of(purpose string, p netip.Prefix) blind {
	mac := hmac.New(sha256.New, b[:])
	_, _ = mac.Write([]byte(purpose + "\x00" + p.String())) // never fails
	return blind(mac.Sum(nil)[:len(blind{})])
}
