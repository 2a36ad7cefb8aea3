"""A stock client: libgit2. Arguments: clone URL PATH | fetch URL PATH | push URL PATH SOURCE:TARGET | delete URL PATH REF."""
import sys

import pygit2


class Answers(pygit2.RemoteCallbacks):
    """Takes a ref that the server refused for a failure."""

    def push_update_reference(self, refname, message):
        if message is not None:
            sys.exit("%s: %s" % (refname, message))


def remote(path, url):
    origin = pygit2.Repository(path).remotes["origin"]
    return origin if origin.url == url else sys.exit("not the origin: " + url)


def main(command, url="", path="", ref=""):
    if command == "version":
        print("libgit2", pygit2.LIBGIT2_VERSION)
    elif command == "clone":
        pygit2.clone_repository(url, path)
    elif command == "fetch":
        remote(path, url).fetch(["+refs/heads/*:refs/remotes/origin/*"])
    elif command == "push":
        remote(path, url).push([ref], callbacks=Answers())
    elif command == "delete":
        remote(path, url).push([":" + ref], callbacks=Answers())
    else:
        sys.exit("unknown command " + command)


main(*sys.argv[1:])
