package merkle

import (
	"fmt"
	"strconv"
	"strings"
)

// TileWidth is how many hashes a full tile has, and tileHeight that number's logarithm.
const (
	TileWidth  = 1 << tileHeight
	tileHeight = 8
)

// Tile names a run of neighbouring hashes of one level. Level 0 are the leaves; a hash of a
// higher level is the root of a full tile below.
type Tile struct {
	Level int
	Index int64
	Width int // 1 to 256; 256 is full
}

// Path is where the tile is served, below ".../tile/": "0/x001/067", "0/x001/067.p/12".
func (t Tile) Path() string {
	n := fmt.Sprintf("%03d", t.Index%1000)
	for i := t.Index / 1000; i > 0; i /= 1000 {
		n = fmt.Sprintf("x%03d/%s", i%1000, n)
	}
	path := strconv.Itoa(t.Level) + "/" + n
	if t.Width != TileWidth {
		path += ".p/" + strconv.Itoa(t.Width)
	}
	return path
}

// longestPath is that of the largest index and width.
const longestPath = len("63/x009/x223/x372/x036/x854/x775/807.p/255")

// ParseTile reads what [Tile.Path] writes, and nothing else.
func ParseTile(path string) (Tile, error) {
	malformed := fmt.Errorf("merkle: no tile has the path %.60q: it is <level>/<index>, and .p/<width> for a partial one, as https://c2sp.org/tlog-tiles says", path)
	if len(path) > longestPath {
		return Tile{}, malformed
	}
	level, rest, _ := strings.Cut(path, "/")
	index, width, partial := strings.Cut(rest, ".p/")
	t := Tile{Width: TileWidth}
	var err error
	if t.Level, err = strconv.Atoi(level); err != nil || t.Level < 0 || t.Level > 63 {
		return Tile{}, malformed
	}
	if partial {
		if t.Width, err = strconv.Atoi(width); err != nil || t.Width < 1 || t.Width >= TileWidth {
			return Tile{}, malformed
		}
	}
	digits := strings.NewReplacer("x", "", "/", "").Replace(index)
	if t.Index, err = strconv.ParseInt(digits, 10, 64); err != nil || t.Index < 0 || t.Path() != path {
		return Tile{}, malformed
	}
	return t, nil
}

// Within says whether a tree of a size has the tile: all its hashes.
func (t Tile) Within(size int64) bool {
	if t.Level < 0 || t.Index < 0 || t.Width < 1 || t.Width > TileWidth {
		return false
	}
	return t.Width <= widthAt(t.Level, t.Index, size)
}

// widthAt is how wide a tile is in a tree of a size; 0 says that the tree has none.
func widthAt(level int, index, size int64) int {
	if level*tileHeight > 62 {
		return 0
	}
	hashes := size >> (level * tileHeight) // of the whole level
	if index > hashes>>tileHeight {
		return 0
	}
	return int(min(hashes-index<<tileHeight, TileWidth))
}
