package opa

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bgremover/bgremover/domain/refusal"
)

// How large a bundle may be. An archive is stored in one fact, in base64, beside an envelope.
const (
	maxArchive  = 188 << 10
	maxUnpacked = 4 << 20
	maxFiles    = 1000
)

// codeArchive is the permanent code of an archive that holds no bundle.
const codeArchive = "policy.archive"

// errArchive refuses an archive; what says what is wrong with it.
func errArchive(what string) error {
	return refusal.New(refusal.Unusable, codeArchive, "This is no archive of a policy bundle: "+what+".",
		"Make one from its folder: bgremover policy sign.")
}

// ErrArchiveSize refuses a bundle that one entry of the record cannot hold.
var ErrArchiveSize = refusal.New(refusal.TooLarge, "policy.archive_size",
	fmt.Sprintf("A policy bundle has at most %d KiB packed, %d MiB unpacked and %d files.", maxArchive>>10, maxUnpacked>>20, maxFiles),
	"Leave out what no rule reads.")

// The files of a bundle that are neither rules nor data.
const (
	manifestFile   = ".manifest"
	schemaFile     = "schema.json"
	signaturesFile = ".signatures.json"
)

// Bundle is the files of a bundle, of which nothing was checked yet but names and sizes.
type Bundle struct {
	files    fs.FS
	revision int64
	digest   string
}

// Files returns the files, the signature among them if there is one.
func (b Bundle) Files() fs.FS { return b.files }

// Revision returns the revision that the manifest names.
func (b Bundle) Revision() int64 { return b.revision }

// Digest returns the SHA-256 over the names and bytes of all files but the signature, in hexadecimal.
func (b Bundle) Digest() string { return b.digest }

// ReadFolder reads a bundle from a folder, in which other things may lie as well: tests, texts.
func ReadFolder(folder fs.FS) (Bundle, error) {
	content := map[string][]byte{}
	size := 0
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !belongs(name) {
			return err
		}
		if !entry.Type().IsRegular() {
			return errArchive(name + " is no plain file")
		}
		read, err := fs.ReadFile(folder, name)
		if size += len(read); err == nil && (size > maxUnpacked || len(content) == maxFiles) {
			err = ErrArchiveSize
		}
		content[name] = read
		return err
	})
	if err != nil {
		return Bundle{}, err
	}
	return bundleOf(content)
}

// ReadArchive reads a bundle from a gzipped tar archive, as OPA and its bundle servers know it.
func ReadArchive(archive []byte) (Bundle, error) {
	if len(archive) > maxArchive {
		return Bundle{}, ErrArchiveSize
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return Bundle{}, errArchive("it is not compressed by gzip")
	}
	bounded := &io.LimitedReader{R: unzipped, N: maxUnpacked + 1}
	content, err := unpack(tar.NewReader(bounded))
	switch {
	case bounded.N <= 0:
		return Bundle{}, ErrArchiveSize
	case err != nil:
		return Bundle{}, err
	}
	if _, err := io.Copy(io.Discard, bounded); err != nil { // up to gzip's checksum
		return Bundle{}, errArchive("it is damaged")
	}
	if bounded.N <= 0 {
		return Bundle{}, ErrArchiveSize
	}
	return bundleOf(content)
}

func unpack(packed *tar.Reader) (map[string][]byte, error) {
	content := map[string][]byte{}
	left := int64(maxUnpacked) // counted as it is read: a sparse file is larger than the bytes it is made of
	for {
		entry, err := packed.Next()
		if errors.Is(err, io.EOF) {
			return content, nil
		}
		if err != nil {
			return nil, errArchive("it is damaged")
		}
		name := strings.TrimPrefix(strings.TrimPrefix(entry.Name, "."), "/") // OPA writes /x, tar ./x
		if strings.HasPrefix(entry.Name, ".") && !strings.HasPrefix(entry.Name, "./") {
			name = entry.Name
		}
		if entry.Typeflag == tar.TypeDir {
			continue
		}
		_, twice := content[name]
		switch {
		case !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00\n"): // a digest tells names by their lines
			return nil, errArchive(fmt.Sprintf("%.100q is no path inside it", entry.Name))
		case entry.Typeflag != tar.TypeReg:
			return nil, errArchive(fmt.Sprintf("%.100q is a link, or no plain file", name))
		case !belongs(name):
			return nil, errArchive(fmt.Sprintf("%.100q belongs to no bundle", name))
		case twice:
			return nil, errArchive(fmt.Sprintf("%.100q stands in it twice", name))
		case len(content) == maxFiles:
			return nil, ErrArchiveSize
		}
		if content[name], err = io.ReadAll(io.LimitReader(packed, left+1)); err != nil {
			return nil, errArchive("it is damaged")
		}
		if left -= int64(len(content[name])); left < 0 {
			return nil, ErrArchiveSize
		}
	}
}

// belongs says whether a file is part of a bundle, by its name.
func belongs(name string) bool {
	switch {
	case name == manifestFile, name == schemaFile, name == signaturesFile:
		return true
	case path.Ext(name) == ".rego":
		return !strings.HasSuffix(name, "_test.rego")
	}
	return path.Dir(name) == "data" && path.Ext(name) == ".json"
}

// bundleOf makes a bundle of its files.
func bundleOf(content map[string][]byte) (b Bundle, err error) {
	for name := range content {
		for above := path.Dir(name); above != "."; above = path.Dir(above) {
			if _, file := content[above]; file {
				return Bundle{}, errArchive(fmt.Sprintf("%.100q is a file and a folder", above))
			}
		}
	}
	if b.files, err = inMemory(content); err != nil {
		return Bundle{}, err
	}
	if b.revision, err = revision(b.files); err != nil {
		return Bundle{}, explain(b.files, err)
	}
	b.digest, err = Digest(b.files)
	return b, err
}

// inMemory makes a file system of files: the standard library has one that reads zip archives.
func inMemory(content map[string][]byte) (fs.FS, error) {
	var packed bytes.Buffer
	writer := zip.NewWriter(&packed)
	for _, name := range sortedNames(content) {
		file, err := writer.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return nil, fmt.Errorf("keep the files of a bundle: %w", err)
		}
		if _, err := file.Write(content[name]); err != nil {
			return nil, fmt.Errorf("keep the files of a bundle: %w", err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("keep the files of a bundle: %w", err)
	}
	files, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		return nil, fmt.Errorf("keep the files of a bundle: %w", err)
	}
	return files, nil
}

// contents reads all files of a bundle.
func contents(files fs.FS) (map[string][]byte, error) {
	content := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content[name], err = fs.ReadFile(files, name)
		return err
	})
	return content, err
}

// Archive packs the bundle: the same files make the same bytes.
func (b Bundle) Archive() ([]byte, error) {
	content, err := contents(b.files)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zipped)
	for _, name := range sortedNames(content) {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content[name])), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := archive.Write(content[name]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return nil, fmt.Errorf("pack a bundle: %w", err)
	}
	if packed.Len() > maxArchive {
		return nil, ErrArchiveSize
	}
	return packed.Bytes(), nil
}

func sortedNames(content map[string][]byte) []string {
	names := make([]string, 0, len(content))
	for name := range content {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
