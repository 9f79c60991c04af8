// Package web is the shell of the site and the API: what all requests have in common.
//
// Read it in this order: routes.go (every address there is, in one list), site.go (what it
// needs of the rest), shell.go (what happens around every request), headers.go, health.go,
// server.go. Over the shell there is a folder per audience: api (programs), people (the
// pages), public (figures for everybody), verify (receipts, checked in the browser), officer (the record, for members of staff), operator
// (the unix socket for other subcommands). They share scope (what belongs to one request),
// answer (how a result or an error becomes a response), page (layout, stylesheet,
// modules), intake (request bodies), capability (who may see a picture) and moment (as known when).
//
// Nothing here sets a cookie but the pages for officers, whose cookie goes nowhere else; and no log line or metric holds an address, a query, a token
// or a file name: only the pattern of the route.
package web
