// Presigned URLs by @aws-sdk/s3-request-presigner: of {endpoint, region, id, secret, session, virtual, method,
// bucket, key, params, query, expires, at}. A value of `query` may be a list.

import { library, sign } from './library.mjs'

const { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } = library('@aws-sdk/client-s3')
const { getSignedUrl } = library('@aws-sdk/s3-request-presigner')

const commands = { GET: GetObjectCommand, HEAD: HeadObjectCommand, PUT: PutObjectCommand }
const clients = new Map()

function client({ endpoint, region, id, secret, session, virtual }) {
    const chosen = JSON.stringify([endpoint, region, id, secret, session, virtual])
    if (!clients.has(chosen)) {
        clients.set(chosen, new S3Client({
            endpoint,
            region,
            forcePathStyle: !virtual,
            credentials: { accessKeyId: id, secretAccessKey: secret, sessionToken: session },
        }))
    }
    return clients.get(chosen)
}

await sign((wanted) => {
    const { method, bucket, key, params, query, expires, at } = wanted
    const command = new commands[method]({ Bucket: bucket, Key: key, ...params })
    if (query) {
        // Arguments that the API does not know, as applications add them.
        command.middlewareStack.add(
            (next) => (args) => {
                Object.assign(args.request.query, query)
                return next(args)
            },
            { step: 'build' },
        )
    }
    return getSignedUrl(client(wanted), command, { expiresIn: expires, signingDate: at ? new Date(at * 1000) : undefined })
})
