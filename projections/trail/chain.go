package trail

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/domain/id"
)

// Bounds of a chain: whoever sees as many has not seen all.
const (
	MostCauses  = 100
	MostEffects = 500
)

// Causes returns what led to a fact: the fact before it, the one before that, and so on,
// the nearest first and without the fact itself; at most [MostCauses].
func Causes(ctx context.Context, db DB, fact id.Fact) ([]Fact, error) {
	if _, ok := id.ParseFact(string(fact)); !ok {
		return nil, nil
	}
	chain, err := collect(ctx, db, `
		with recursive chain as (
		  select c.*, 1 as depth
		    from trail.fact f join trail.fact c on c.id = f.cause
		   where f.id = $1
		   union all
		  select c.*, chain.depth + 1
		    from chain join trail.fact c on c.id = chain.cause and c.seq < chain.seq
		   where chain.depth < $2
		)
		select `+columns+` from chain order by depth`, string(fact), MostCauses)
	if err != nil {
		return nil, fmt.Errorf("list a fact's causes: %w", err)
	}
	return chain, nil
}

// Effects returns what followed from a fact, directly or through others, in the record's
// order and without the fact itself; at most [MostEffects].
func Effects(ctx context.Context, db DB, fact id.Fact) ([]Fact, error) {
	if _, ok := id.ParseFact(string(fact)); !ok {
		return nil, nil
	}
	found, err := collect(ctx, db, `
		with recursive chain as (
		  select e.*
		    from trail.fact f join trail.fact e on e.cause = f.id
		   where f.id = $1
		   union all
		  select e.*
		    from chain join trail.fact e on e.cause = chain.id and e.seq > chain.seq
		), found as (
		  select * from chain limit $2
		)
		select `+columns+` from found order by seq`, string(fact), MostEffects)
	if err != nil {
		return nil, fmt.Errorf("list a fact's effects: %w", err)
	}
	return found, nil
}
