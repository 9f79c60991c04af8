// Command bgverify checks a deletion receipt without anybody's help: no network, no
// service, no configuration. It is one static file, and the same check, compiled to
// WebAssembly, is behind the page /verify.
//
// Read it in this order: report.go (what an answer holds), main.go (the command line),
// wasm.go (the page). What is checked, and how, is in internal/evidence.
//
// It sends nothing anywhere and writes no file.
package main

import (
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/evidence"
)

// report is the answer about one receipt.
type report struct {
	Holds    bool               `json:"holds"`    // nothing in it is wrong
	Complete bool               `json:"complete"` // and nothing is open
	Headline string             `json:"headline"`
	Help     string             `json:"help,omitempty"` // what to do, if it does not hold
	Code     string             `json:"code,omitempty"` // permanent; why it does not hold
	Findings []evidence.Finding `json:"findings"`
}

// check makes the report.
func check(receipt []byte, known evidence.Known) report {
	v, err := evidence.Check(receipt, known)
	if refused, ok := refusal.As(err); ok {
		return report{Headline: refused.Text, Help: refused.Help, Code: refused.Code, Findings: []evidence.Finding{}}
	}
	return report{Holds: true, Complete: v.Complete(), Headline: v.Headline(), Findings: v.Findings()}
}
