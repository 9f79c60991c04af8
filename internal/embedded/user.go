package embedded

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom PostgreSQL runs as. It refuses root, so root hands it over to
// an unprivileged user; anybody else runs it as themselves.
type account struct {
	uid, gid uint32
	drop     bool // we are root and become this account for PostgreSQL
}

// accountFor is the owner of an existing cluster, or, for a new one, the first
// of these users that there is. (initdb needs one that the system knows.)
func accountFor(data string) (account, error) {
	self := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	owner, exists := ownerOf(data)
	switch {
	case self.uid != 0 && exists && owner.uid != self.uid:
		return account{}, fmt.Errorf("%s belongs to user id %d, and this is user id %d: start bgremover as root or as that user, or give it another data folder", data, owner.uid, self.uid)
	case self.uid != 0:
		return self, nil
	case exists && owner.uid != 0:
		owner.drop = true
		return owner, nil
	}
	for _, lookup := range []func() (*user.User, error){
		func() (*user.User, error) { return user.Lookup("bgremover") },
		func() (*user.User, error) { return user.LookupId("65534") },
		func() (*user.User, error) { return user.Lookup("nobody") },
		func() (*user.User, error) { return user.Lookup("daemon") },
	} {
		found, err := lookup()
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return account{uid: uint32(uid), gid: uint32(gid), drop: true}, nil
		}
	}
	return account{}, fmt.Errorf("PostgreSQL refuses to run as root, and no unprivileged user was found: add a user named bgremover, or start bgremover as one")
}

func ownerOf(path string) (account, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return account{}, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, false
	}
	return account{uid: stat.Uid, gid: stat.Gid}, true
}

// own gives a file or folder that we made to the account.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// mustReach explains, before PostgreSQL fails with less to say, which folder on
// the way to path its user may not enter.
func (a account) mustReach(path, what, remedy string) error {
	if !a.drop {
		return nil
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", what, err)
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at %s: %w", what, err)
		}
		owner, _ := ownerOf(dir)
		enter := os.FileMode(0o001)
		switch {
		case owner.uid == a.uid:
			enter = 0o100
		case owner.gid == a.gid:
			enter = 0o010
		}
		if info.Mode()&enter == 0 {
			return fmt.Errorf("started by root, PostgreSQL runs as user id %d, and that user cannot enter %s on the way to %s: allow it (chmod o+x %s), or %s", a.uid, dir, what, dir, remedy)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
