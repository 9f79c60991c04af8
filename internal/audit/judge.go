package audit

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/internal/merkle"
)

// judge makes findings of what was read, when all of it was.
func (a *audit) judge(ctx context.Context) error {
	if err := a.drain(ctx); err != nil {
		return err
	}
	if err := a.checkSpilled(); err != nil {
		return err
	}
	if err := a.checkEnd(ctx); err != nil {
		return err
	}
	if a.head != nil && a.head.Signed > a.notes.high {
		a.found.add(at(BadCheckpoint, a.notes.newest.Size+1, "the topic of checkpoints ends with number %d, and the ledger published %d", a.notes.high, a.head.Signed))
	}
	if a.notes.signed == 0 && a.leaves.Size() > 0 && a.head == nil && a.kept == nil {
		a.found.add(at(BadCheckpoint, 1, "none was ever signed by a key that is known, so there is nothing that the record could be compared with"))
	}
	if err := a.checkDiffering(ctx); err != nil {
		return err
	}
	if err := a.checkKept(ctx); err != nil {
		return err
	}
	return a.checkHead(ctx)
}

// checkEnd says what became of the fact that should follow the last one, if one should.
func (a *audit) checkEnd(ctx context.Context) error {
	next := a.leaves.Size() + 1
	if a.order.gap() {
		return a.search(ctx, next, at(Missing, next, "it does not come, though fact %d is there", a.order.high))
	}
	var cut Finding
	switch newest := a.notes.newest.Size; {
	case newest >= next:
		cut = at(TruncatedTail, next, "the record ends before it, and the log signed a checkpoint over %d facts", newest)
	case a.head != nil && a.head.Published >= next:
		cut = at(TruncatedTail, next, "the record ends before it, and the ledger published %d facts", a.head.Published)
	case a.kept != nil && a.kept.Size >= next:
		cut = at(RolledBack, next, "the record and its own checkpoints end before it, and the checkpoint kept elsewhere covers %d facts", a.kept.Size)
	default:
		return nil
	}
	if a.found.alien() { // it may stand there under another number
		return a.search(ctx, next, cut)
	}
	a.found.add(cut)
	return nil
}

// checkSpilled looks for streams whose versions are not 1, 2, 3 … and ids that stand twice.
func (a *audit) checkSpilled() error {
	var versions, seqs map[[16]byte]int64
	err := a.streams.each(func() { versions = map[[16]byte]int64{} }, func(e entry) {
		if last := versions[e.key]; e.number != last+1 {
			a.found.add(at(BadEnvelope, e.seq, "it is version %d of its stream, where %d follows", e.number, last+1))
		}
		versions[e.key] = e.number
	})
	if err != nil {
		return err
	}
	return a.ids.each(func() { seqs = map[[16]byte]int64{} }, func(e entry) {
		if before, taken := seqs[e.key]; taken {
			a.found.add(at(BadEnvelope, e.seq, "its id is that of fact %d", before))
		}
		seqs[e.key] = e.seq
	})
}

// checkDiffering says what it means that the log signed another root.
func (a *audit) checkDiffering(ctx context.Context) error {
	v := a.differs
	if v == nil {
		return nil
	}
	if other := max(a.agreed, a.resigned); other > v.Size {
		a.found.add(Finding{What: Forked, Seq: a.below + 1, Through: v.Size, Text: fmt.Sprintf(
			"the checkpoint at size %d is of another history than the record and the later checkpoint at size %d", v.Size, other)})
		return nil
	}
	return a.changedBelow(ctx, v.Checkpoint, a.below, "the log's own checkpoint")
}

// checkKept compares the record with the checkpoint that was kept elsewhere.
func (a *audit) checkKept(ctx context.Context) error {
	if a.kept == nil {
		return nil
	}
	if a.notes.first == "" {
		a.found.add(at(BadCheckpoint, 1, "nothing says which key signs this log's checkpoints; name it with --key"))
		return nil
	}
	if _, err := a.notes.keys.Open(a.Against); err != nil {
		a.found.add(Finding{What: Forked, Seq: 1, Through: max(a.leaves.Size(), 1), Text: fmt.Sprintf(
			"the checkpoint kept elsewhere is not signed by this log's key: %v", err)})
		return nil
	}
	if a.kept.Size > a.leaves.Size() {
		return nil // checkEnd has said so, or the gap before
	}
	root, err := a.leaves.rootAt(ctx, a.kept.Size)
	switch {
	case err != nil:
		return err
	case root == a.kept.Root:
		a.agreed = max(a.agreed, a.kept.Size)
		return nil
	case a.differs == nil && max(a.agreed, a.resigned) >= a.kept.Size:
		a.found.add(Finding{What: Forked, Seq: 1, Through: a.kept.Size, Text: fmt.Sprintf(
			"the record agrees with the checkpoints beside it, and has at size %d another root than the checkpoint kept elsewhere", a.kept.Size)})
		return nil
	case a.differs != nil && a.differs.Size <= a.kept.Size:
		return nil // that is found already
	}
	return a.changedBelow(ctx, *a.kept, min(a.agreed, a.kept.Size-1), "the checkpoint kept elsewhere")
}

// checkHead compares what no checkpoint covers with what the ledger itself says.
func (a *audit) checkHead(ctx context.Context) error {
	if a.head == nil || a.leaves.Size() == 0 {
		return nil
	}
	size := min(a.leaves.Size(), a.head.Size)
	if size < a.leaves.Size() {
		a.remark("Postgres knows of %d facts only: it is behind Kafka", size)
	}
	said := merkle.Checkpoint{Size: size, Root: a.head.Root}
	if size < a.head.Size {
		if a.Tiles == nil {
			return nil
		}
		root, err := authenticRoot(ctx, a.Tiles, said.Size, a.head.Size, a.head.Root)
		if err != nil {
			a.remark("Postgres's tiles do not lead to its own root: %v", err)
			return nil
		}
		said.Root = root
	}
	root, err := a.leaves.rootAt(ctx, size)
	switch {
	case err != nil:
		return err
	case root == said.Root:
		a.compared = size
		return nil
	case size <= a.agreed:
		a.remark("Postgres has another root at size %d than the record and its checkpoints", size)
		return nil
	}
	return a.changedBelow(ctx, said, a.agreed, "the ledger's own head")
}

func (a *audit) remark(format string, args ...any) {
	a.remarks = append(a.remarks, fmt.Sprintf(format, args...))
}
