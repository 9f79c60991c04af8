package opa

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/policies"
)

// entry is a member of an archive.
type entry struct {
	name, content string
	kind          byte
}

func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Size: int64(len(e.content)), Mode: 0o644}
		if e.kind == tar.TypeSymlink || e.kind == tar.TypeLink {
			header.Linkname, header.Size = e.content, 0
		}
		must(t, archive.WriteHeader(header))
		if header.Size > 0 {
			_, err := archive.Write([]byte(e.content))
			must(t, err)
		}
	}
	must(t, archive.Close())
	must(t, zipped.Close())
	return packed.Bytes()
}

// codeOf is the permanent code of a refusal.
func codeOf(err error) string {
	if refused, ok := refusal.As(err); ok {
		return refused.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// The bundle of this release is the same whether it is read where the program carries it, from its folder
// beside tests and texts, or packed.
func TestBundlesAreTheSameEverywhere(t *testing.T) {
	carried, err := Release(policies.Bundle)
	must(t, err)
	folder, err := ReadFolder(source())
	must(t, err)
	packed, err := ReadArchive(carried.Archive)
	must(t, err)
	for from, digest := range map[string]string{"folder": folder.Digest(), "archive": packed.Digest()} {
		if digest != carried.Digest {
			t.Errorf("the %s has the digest %s, want %s", from, digest, carried.Digest)
		}
	}
	again, err := packed.Archive()
	must(t, err)
	if !bytes.Equal(again, carried.Archive) {
		t.Error("the same files are packed to other bytes")
	}
	p := &Policy{period: 3600}
	must(t, p.PutInForce(t.Context(), carried.Archive))
	if p.Revision() != carried.Revision || p.Revision() != packed.Revision() {
		t.Errorf("revision %d is in force, want %d", p.Revision(), carried.Revision)
	}
	t.Logf("the release's bundle has %d KiB packed", len(carried.Archive)>>10)
}

func TestReadArchive(t *testing.T) {
	const file, dir = tar.TypeReg, tar.TypeDir
	manifest := entry{".manifest", `{"revision": "7"}`, file}
	noise := make([]byte, maxArchive)
	_, _ = rand.Read(noise) // never fails
	whole := archiveOf(t, manifest)
	many := []entry{manifest}
	for i := range maxFiles {
		many = append(many, entry{strings.Repeat("x", i%50+1) + "/" + strings.Repeat("y", i/50+1) + ".rego", "", file})
	}
	tests := map[string]struct {
		given []byte
		code  string
	}{
		"a manifest":          {whole, ""},
		"as OPA writes paths": {archiveOf(t, entry{"/.manifest", `{"revision": "7"}`, file}, entry{"/data", "", dir}), ""},
		"as tar writes paths": {archiveOf(t, entry{"./", "", dir}, entry{"./.manifest", `{"revision": "7"}`, file}), ""},
		"nothing":             {nil, codeArchive},
		"no gzip":             {[]byte("package x"), codeArchive},
		"no tar":              {gzipped(t, []byte(strings.Repeat("x", 1024))), codeArchive},
		"cut off":             {whole[:len(whole)-4], codeArchive},
		"above":               {archiveOf(t, manifest, entry{"../x.rego", "package x", file}), codeArchive},
		"above in the middle": {archiveOf(t, manifest, entry{"a/../x.rego", "package x", file}), codeArchive},
		"absolute twice":      {archiveOf(t, manifest, entry{"//x.rego", "package x", file}), codeArchive},
		"a backslash":         {archiveOf(t, manifest, entry{`a\x.rego`, "package x", file}), codeArchive},
		"a line break":        {archiveOf(t, manifest, entry{"x.rego 1\na.rego", "package x", file}), codeArchive},
		"a symbolic link":     {archiveOf(t, manifest, entry{"x.rego", "/etc/passwd", tar.TypeSymlink}), codeArchive},
		"a hard link":         {archiveOf(t, manifest, entry{"x.rego", ".manifest", tar.TypeLink}), codeArchive},
		"a device":            {archiveOf(t, manifest, entry{"x.rego", "", tar.TypeChar}), codeArchive},
		"twice":               {archiveOf(t, manifest, manifest), codeArchive},
		"twice by two paths":  {archiveOf(t, manifest, entry{"./.manifest", `{"revision": "8"}`, file}), codeArchive},
		"a file and a folder": {archiveOf(t, manifest, entry{"x.rego", "package x", file}, entry{"x.rego/y.rego", "package x", file}), codeArchive},
		"a test":              {archiveOf(t, manifest, entry{"x_test.rego", "package x", file}), codeArchive},
		"something else":      {archiveOf(t, manifest, entry{"policy.wasm", "x", file}), codeArchive},
		"data of OPA's own":   {archiveOf(t, manifest, entry{"data.json", "{}", file}), codeArchive},
		"no manifest":         {archiveOf(t, entry{"x.rego", "package x", file}), codeRules},
		"no revision":         {archiveOf(t, entry{".manifest", `{}`, file}), codeRules},
		"a revision of 0":     {archiveOf(t, entry{".manifest", `{"revision": "0"}`, file}), codeRules},
		"too large":           {noise[:maxArchive:maxArchive], codeArchive},
		"larger than that":    {append(slices.Clone(noise), 0), ErrArchiveSize.Code},
		"too large unpacked":  {archiveOf(t, manifest, entry{"x.rego", strings.Repeat("#", maxUnpacked), file}), ErrArchiveSize.Code},
		"much behind the end": {gzipped(t, make([]byte, maxUnpacked+2)), ErrArchiveSize.Code},
		"a sparse file":       {sparse(t, "x.rego", maxUnpacked+1), ErrArchiveSize.Code},
		"too many files":      {archiveOf(t, many...), ErrArchiveSize.Code},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := ReadArchive(tt.given)
			if codeOf(err) != tt.code {
				t.Errorf("got %v, want %q", err, tt.code)
			}
			if err == nil && b.Revision() != 7 {
				t.Errorf("revision %d", b.Revision())
			}
		})
	}
}

// Whoever sends an archive does not say how much stands in the log.
func TestArchivesAreRefusedInFewWords(t *testing.T) {
	_, err := ReadArchive(archiveOf(t, entry{strings.Repeat("x", 1<<16), "", tar.TypeReg}))
	if codeOf(err) != codeArchive || len(err.Error()) > 500 {
		t.Errorf("%d bytes: %.500v", len(err.Error()), err)
	}
}

// sparse is an archive with one file that is nothing but a hole. Few bytes say how large that is.
func sparse(t *testing.T, name string, size int) []byte {
	t.Helper()
	var records string
	for _, record := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, fmt.Sprintf("GNU.sparse.realsize=%d", size)} {
		records += fmt.Sprintf("%d %s\n", len(record)+len(" \n")+2, record) // each is of two digits' length
	}
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	for _, content := range []string{records, "0\n" + strings.Repeat("\x00", 510)} { // how many pieces there are: none
		must(t, archive.WriteHeader(&tar.Header{Name: "hole", Typeflag: tar.TypeReg, Size: int64(len(content)), Format: tar.FormatUSTAR}))
		_, err := archive.Write([]byte(content))
		must(t, err)
	}
	must(t, archive.Close())
	// The first entry holds what is special about the second: its kind is 'x', and its checksum higher by as much.
	header := packed.Bytes()[:512]
	sum, err := strconv.ParseInt(string(header[148:154]), 8, 64)
	must(t, err)
	header[156] = 'x'
	copy(header[148:154], fmt.Sprintf("%06o", sum+'x'-tar.TypeReg))
	return gzipped(t, packed.Bytes())
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	_, err := zipped.Write(content)
	must(t, err)
	must(t, zipped.Close())
	return packed.Bytes()
}

// Whatever bytes come, they are refused by a permanent code, or are a bundle of plain files that packs to itself.
func FuzzReadArchive(f *testing.F) {
	f.Add(archiveOf(f, entry{".manifest", `{"revision": "7"}`, tar.TypeReg}, entry{"a/x.rego", "package a.x", tar.TypeReg}))
	f.Add(archiveOf(f, entry{"../x.rego", "", tar.TypeReg}))
	f.Add([]byte{0x1f, 0x8b})
	known := []string{codeArchive, ErrArchiveSize.Code, codeRules}
	f.Fuzz(func(t *testing.T, archive []byte) {
		b, err := ReadArchive(archive)
		if err != nil {
			if !slices.Contains(known, codeOf(err)) {
				t.Fatal(err)
			}
			return
		}
		content, err := contents(b.Files())
		must(t, err)
		for name := range content {
			if !belongs(name) || strings.Contains(name, "..") && !strings.HasSuffix(name, ".rego") {
				t.Errorf("it holds %q", name)
			}
		}
		again, err := b.Archive()
		must(t, err)
		same, err := ReadArchive(again)
		must(t, err)
		other, err := contents(same.Files())
		must(t, err)
		if same.Digest() != b.Digest() || !maps.EqualFunc(content, other, bytes.Equal) {
			t.Error("it is another one once it was packed again")
		}
	})
}
