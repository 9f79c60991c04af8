package merkle

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTilePaths(t *testing.T) {
	for path, want := range map[string]Tile{
		"0/000":                               {0, 0, 256},
		"0/x001/067":                          {0, 1067, 256},
		"0/x001/067.p/12":                     {0, 1067, 12},
		"1/x001/x234/067":                     {1, 1234067, 256},
		"63/999.p/255":                        {63, 999, 255},
		"0/x009/x223/x372/x036/x854/x775/807": {0, 1<<63 - 1, 256},
	} {
		if got, err := ParseTile(path); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", path, got, err, want)
		}
		if got := want.Path(); got != path {
			t.Errorf("%v: %s, want %s", want, got, path)
		}
	}
	for _, path := range []string{
		"", "0", "0/", "/000", "0/0", "0/00", "0/0000", "00/000", "+0/000", "-1/000", "64/000", "0/-01", "0/+01",
		"0/x000/001", "0/001/067", "0/x001/x067", "0/x001067", "0/x1/067", "0/X001/067", "0/000.p/0", "0/000.p/256", "0/000.p/012",
		"0/000.p", "0/000.p/", "0/000.p/1/", "0/000/", "0/000.p/1.p/1", "entries/000", "tile/0/000", "0/x010/x223/x372/x036/x854/x775/807",
		"0/x001/x234/x067", "0/ 00", "0/000\n", "0/٠٠٠",
	} {
		if got, err := ParseTile(path); err == nil {
			t.Errorf("%q was read as %v", path, got)
		}
	}
}

func TestTilesWithinATree(t *testing.T) {
	// The example of the specification: 70 000 leaves.
	for _, c := range []struct {
		tile Tile
		size int64
		want bool
	}{
		{Tile{0, 272, 256}, 70_000, true},
		{Tile{0, 273, 112}, 70_000, true},
		{Tile{0, 273, 1}, 70_000, true},
		{Tile{0, 273, 113}, 70_000, false},
		{Tile{0, 274, 1}, 70_000, false},
		{Tile{1, 0, 256}, 70_000, true},
		{Tile{1, 1, 17}, 70_000, true},
		{Tile{1, 1, 18}, 70_000, false},
		{Tile{2, 0, 1}, 70_000, true},
		{Tile{2, 0, 2}, 70_000, false},
		{Tile{3, 0, 1}, 70_000, false},
		{Tile{1, 0, 1}, 256, true},
		{Tile{0, 0, 1}, 0, false},
		{Tile{63, 0, 1}, 1<<63 - 1, false},
		{Tile{7, 0, 127}, 1<<63 - 1, true},
		{Tile{0, 1<<63 - 1, 1}, 1<<63 - 1, false},
		{Tile{0, 0, 0}, 5, false},
		{Tile{0, -1, 1}, 5, false},
		{Tile{0, 0, 257}, 1000, false},
	} {
		if got := c.tile.Within(c.size); got != c.want {
			t.Errorf("%+v within %d: %v", c.tile, c.size, got)
		}
	}
}

func TestTilePathsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Tile{
			Level: rapid.IntRange(0, 63).Draw(t, "level"),
			Index: rapid.Int64Min(0).Draw(t, "index"),
			Width: rapid.IntRange(1, 256).Draw(t, "width"),
		}
		if got, err := ParseTile(want.Path()); err != nil || got != want {
			t.Fatalf("%s: %v, %v", want.Path(), got, err)
		}
	})
}

func FuzzParseTile(f *testing.F) {
	for _, path := range []string{"0/000", "0/x001/067.p/12", "63/x999/999", "entries/000", "0/000.p/256"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := ParseTile(path)
		if err != nil {
			return
		}
		if tile.Path() != path {
			t.Errorf("%q was read as %v, which is %q", path, tile, tile.Path())
		}
		if tile.Level < 0 || tile.Level > 63 || tile.Index < 0 || tile.Width < 1 || tile.Width > 256 {
			t.Errorf("%q was read as %v", path, tile)
		}
	})
}
