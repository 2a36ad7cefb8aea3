/**
 * `datakit repair`: mends what `datakit fsck` finds, where it can be mended.
 *
 * @module
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import { parseOid } from '@datakit/git/oid'
import type { CopySource } from '@datakit/storage/fsck/repair-place'
import { openCopy, repairGitDirectory } from '@datakit/storage/git-directory/repair'
import { parseArgs } from 'node:util'
import { askServer, patientsOf, tell, type Diagnosis, type Patient, type Speech } from '../care.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'
import { eventsOf } from './fsck.ts'

const help = `Usage: datakit repair PLACE [--from COPY] [--json]

Mends what "datakit fsck" finds: indexes and lists are made anew from what they describe, damaged packs are written anew from sound
copies of their objects, what nobody needs is deleted after its grace. Refs are never moved or dropped, and a pack whose
objects are nowhere else stays as it is: what cannot be mended is told, and what to do about it. Checks in the end.

PLACE is a repository, a folder of them, or http://HOST/NAME.git on a Worker, which mends its bucket itself.

  --from COPY   a repository on this machine that has the objects that are lost: any clone
  --json        print a line of JSON for each thing that is said
  --help        this text

The token is the password in a URL, or else DATAKIT_TOKEN. Exit codes: 0 nothing is wrong now, 1 something still is, 2 wrong arguments, 3 nothing is there.`

export const repairCommand: Command = {
  name: 'repair',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, json: { type: 'boolean', default: false } },
      allowPositionals: true,
    })
    const [place] = positionals
    if (place === undefined || positionals.length > 1)
      throw new CommandError('Expected PLACE: a repository, a folder of them, or a URL', EXIT.usage)
    const patients = await patientsOf(place)
    const source = values.from === undefined ? undefined : await copyAt(values.from)
    try {
      let isSound = true
      for (const patient of patients) {
        const prefix = patients.length > 1 || values.json ? patient.name : ''
        const how = { terminal, speech: { json: values.json, prefix }, copy: source?.copy }
        if ((await repairOne(patient, how)).errors > 0) isSound = false
      }
      return isSound ? EXIT.done : EXIT.failed
    } finally {
      await source?.close()
    }
  },
}

async function copyAt(argument: string): ReturnType<typeof openCopy> {
  const [patient] = await patientsOf(argument)
  if (patient?.kind === 'directory') return openCopy(patient.directory)
  throw new CommandError('The copy has to be a repository on this machine: clone it', EXIT.usage)
}

interface How {
  readonly terminal: Terminal
  readonly speech: Speech
  readonly copy: CopySource | undefined
}

/** Mends one repository, and checks it then. */
async function repairOne(patient: Patient, how: How): Promise<Diagnosis> {
  const { terminal, speech, copy } = how
  const { signal } = terminal
  if (patient.kind === 'directory') {
    await tell(repairGitDirectory(patient.directory, { copy, signal }), terminal, speech)
    return tell(eventsOf(patient, signal), terminal, speech)
  }
  return repairServer(patient.url, how)
}

/** A server is sent what it lacks, until it lacks nothing or the copy has no more of it. */
async function repairServer(url: string, { terminal, speech, copy }: How): Promise<Diagnosis> {
  const { signal } = terminal
  const sent = new Set<string>()
  const quiet: Terminal = { ...terminal, say: () => {} }
  for (let isFirst = true; ; isFirst = false) {
    const checked = tell(askServer(url, 'fsck', { signal }), quiet, speech)
    // What cannot even be checked may be mended so that it can.
    const before = isFirst ? await checked.catch(ignoreRefusal) : await checked
    const pack = copy && before && (await packFor(before, copy, sent))
    await tell(askServer(url, 'repair', { signal, pack }), terminal, speech)
    if (pack === undefined && before !== undefined) break
  }
  return tell(askServer(url, 'fsck', { signal }), terminal, speech)
}

function ignoreRefusal(error: unknown): undefined {
  if (!(error instanceof CommandError)) throw error
}

/** Bytes of objects that are sent at once. */
const ENOUGH = 8_000_000

/** A pack of what is lost and was not sent before; `undefined` when the copy has nothing of it. */
async function packFor(
  { findings }: Diagnosis,
  copy: CopySource,
  sent: Set<string>,
): Promise<Uint8Array | undefined> {
  const objects: PackObject[] = []
  let bytes = 0
  for (const { code, about } of findings) {
    if ((code !== 'missing' && code !== 'damaged') || sent.has(about) || bytes > ENOUGH) continue
    const oid = parseOid(about)
    const object = await copy(oid)
    if (object === undefined) continue
    sent.add(about)
    objects.push({ ...object, oid })
    bytes += object.body.length
  }
  return objects.length === 0 ? undefined : (await encodePack(nodeRuntime, objects)).bytes
}
