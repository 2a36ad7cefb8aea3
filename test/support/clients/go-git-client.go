// A stock client: go-git. Arguments: clone URL PATH | fetch URL PATH | push URL PATH SOURCE:TARGET | delete URL PATH REF.
package main

import (
	"errors"
	"fmt"
	"os"

	git "github.com/go-git/go-git"
	"github.com/go-git/go-git/config"
	"github.com/go-git/go-git/plumbing/transport"
)

func remote(path, url string) (*git.Remote, error) {
	repository, err := git.PlainOpen(path)
	if err != nil {
		return nil, err
	}
	return git.NewRemote(repository.Storer, &config.RemoteConfig{Name: "origin", URLs: []string{url}}), nil
}

func fetch(url, path string) error {
	origin, err := remote(path, url)
	if err != nil {
		return err
	}
	refs := []config.RefSpec{"+refs/heads/*:refs/remotes/origin/*"}
	err = origin.Fetch(&git.FetchOptions{RemoteName: "origin", RefSpecs: refs})
	if errors.Is(err, git.NoErrAlreadyUpToDate) {
		return nil
	}
	return err
}

func push(url, path, ref string) error {
	origin, err := remote(path, url)
	if err != nil {
		return err
	}
	return origin.Push(&git.PushOptions{RemoteName: "origin", RefSpecs: []config.RefSpec{config.RefSpec(ref)}})
}

func clone(url, path string) error {
	_, err := git.PlainClone(path, false, &git.CloneOptions{URL: url})
	// An empty repository is an error to it; the clone is there all the same.
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil
	}
	return err
}

func run(args []string) error {
	switch args[0] {
	case "clone":
		return clone(args[1], args[2])
	case "fetch":
		return fetch(args[1], args[2])
	case "push":
		return push(args[1], args[2], args[3])
	case "delete":
		return push(args[1], args[2], ":"+args[3])
	}
	return fmt.Errorf("unknown command %s", args[0])
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
