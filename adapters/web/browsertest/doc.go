// Package browsertest tries in a real Chromium what the whole service is too quick to
// show: the moments in between, and what a page does when its service is away.
//
// Read chromium.go for how a browser is started, which the program's own tests use as well,
// browser_test.go for how a page is driven and watched, world_test.go for the site that it is
// on, then moments_test.go. The life of a picture on the real service is tried in
// cmd/bgremover. The tests are behind the build tag "browser", and fail without a Chromium.
package browsertest
