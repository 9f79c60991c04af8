package analytics

import "slices"

// Smallest is the size of the smallest group that is shown to everybody (promise
// usage.anonymous): what fewer than five have in common may tell of one.
const Smallest = 5

// hide sets Total and takes out what must not be shown: groups smaller than k, and as many
// more, smallest first, as it takes for what is hidden to be no small group itself; otherwise
// it would be Total less what is shown.
func (b *Breakdown) hide(k int64) {
	var total, hidden int64
	for _, g := range b.Groups {
		total += g.N
	}
	if total < k {
		*b = Breakdown{Hidden: total > 0}
		return
	}
	b.Total = total
	for {
		least, at := k, -1
		if hidden > 0 && hidden < k {
			least = total + 1 // any group will do
		}
		for i, g := range b.Groups {
			if g.N < least {
				least, at = g.N, i
			}
		}
		if at < 0 {
			break
		}
		hidden += b.Groups[at].N
		b.Groups = slices.Delete(b.Groups, at, at+1)
	}
	b.Hidden = hidden > 0
}

// SmallestShown returns the smallest number that these hours show of anything that happened; 0 if they
// show none.
func SmallestShown(hours []Hour) (least int64) {
	see := func(n int64) {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	for _, h := range hours {
		for _, b := range []Breakdown{h.Uploads, h.Results, h.Durations, h.Failures, h.Downloads, h.Deletions} {
			see(b.Total)
			for _, g := range b.Groups {
				see(g.N)
			}
		}
	}
	return least
}
