// What the programs beside this file share: the libraries are in objs/signers, where scripts/need puts them.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export const library = createRequire(new URL('../../objs/signers/', import.meta.url))

// Reads a list of cases, prints a list of what is made of them.
export async function sign(one) {
    const signed = []
    for (const each of JSON.parse(readFileSync(0, 'utf8'))) signed.push(await one(each))
    process.stdout.write(JSON.stringify(signed))
}
