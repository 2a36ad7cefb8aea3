/**
 * The plan: which of Git's own HTTP tests are run, in which versions of the protocol.
 *
 * Every script that starts a web server is here, except those about what is not Git's smart protocol: WebDAV (t5540), the
 * dumb protocol (t5550), fetching of files (t5557) and Subversion (t9xxx), and HTTP/2 (t5559), which is the business of whoever
 * stands in front. Of scripts that are mostly about other transports, the part over HTTP is selected, with what prepares it.
 *
 * @module
 */
import type { ScriptRun } from './run-script.ts'

/** A script, and how it is run. */
export interface PlannedScript {
  readonly script: string
  /** Numbers of the tests to run; all when left out. */
  readonly only?: string
  readonly protocols: readonly ScriptRun['protocol'][]
  /** Those in which it is run only when all are asked for: version 1 is version 0 but for one line. */
  readonly also?: readonly ScriptRun['protocol'][]
}

/** The scripts, those that take longest first. */
export const PLAN: readonly PlannedScript[] = [
  { script: 't5551-http-fetch-smart', protocols: ['0', '1', '2'] },
  { script: 't5541-http-push-smart', protocols: ['0', '2'], also: ['1'] },
  // Version 2 by name, whatever the environment says.
  { script: 't5702-protocol-v2', only: '46-', protocols: ['2'] },
  { script: 't5539-fetch-http-shallow', protocols: ['0', '1', '2'] },
  { script: 't5812-proto-disable-http', protocols: ['2'] },
  { script: 't5616-partial-clone', only: '42-', protocols: ['0', '2'], also: ['1'] },
  { script: 't5703-upload-pack-ref-in-want', only: '21-', protocols: ['2'] },
  { script: 't5549-fetch-push-http', protocols: ['0', '2'] },
  { script: 't5510-fetch', only: '1-4,HTTP', protocols: ['2'] },
  { script: 't5542-push-http-shallow', protocols: ['0', '2'] },
  { script: 't5601-clone', only: '1,107-', protocols: ['0', '2'], also: ['1'] },
  { script: 't5545-push-options', only: '11-', protocols: ['0', '2'] },
  { script: 't5500-fetch-pack', only: '374-', protocols: ['0', '2'], also: ['1'] },
  { script: 't5548-push-porcelain', only: '8-', protocols: ['0', '2'] },
  { script: 't5561-http-backend', protocols: ['2'] },
  { script: 't5558-clone-bundle-uri', protocols: ['2'] },
  { script: 't5537-fetch-shallow', only: '1-2,16', protocols: ['0', '2'], also: ['1'] },
  // Before that the same over a local path, and version 1 of the report by hand.
  { script: 't5411-proc-receive-hook', only: '179-', protocols: ['0', '2'] },
  { script: 't5700-protocol-v1', only: '18-', protocols: ['1'] },
  { script: 't0410-partial-clone', only: '33', protocols: ['0', '2'], also: ['1'] },
  { script: 't5619-clone-local-ambiguous-transport', protocols: ['2'] },
  { script: 't5581-http-curl-verbose', protocols: ['0', '2'] },
]
