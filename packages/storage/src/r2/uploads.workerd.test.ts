import { plainBucket } from '../../../../worker/test/r2-modes.ts'
import { uploadsContract } from '../../test/uploads-contract.ts'
import { r2Uploads } from './uploads.ts'

uploadsContract('R2', async (options) => r2Uploads(plainBucket, options))
