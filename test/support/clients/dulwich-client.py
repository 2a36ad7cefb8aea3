"""A stock client: dulwich. Arguments: clone URL PATH | fetch URL PATH | push URL PATH SOURCE:TARGET | delete URL PATH REF."""
import sys

import dulwich
from dulwich import porcelain
from dulwich.repo import Repo


def main(command, url="", path="", ref=""):
    if command == "version":
        print("dulwich", ".".join(map(str, dulwich.__version__)))
    elif command == "clone":
        porcelain.clone(url, path, errstream=porcelain.NoneStream())
    elif command == "fetch":
        fetched = porcelain.fetch(path, url, errstream=porcelain.NoneStream(), outstream=sys.stdout)
        heads = {name[11:]: oid for name, oid in fetched.refs.items() if name.startswith(b"refs/heads/")}
        repo = Repo(path)
        for name, oid in heads.items():
            repo.refs[b"refs/remotes/origin/" + name] = oid
    elif command == "push":
        porcelain.push(path, url, [ref], outstream=sys.stdout, errstream=sys.stdout.buffer)
    elif command == "delete":
        porcelain.push(path, url, [":" + ref], outstream=sys.stdout, errstream=sys.stdout.buffer)
    else:
        sys.exit("unknown command " + command)


main(*sys.argv[1:])
