// Runs a WebAssembly program: node wasi.mjs PROGRAM [ARGUMENT...]. Of the system's files it sees the folder it is run
// in and the library's own, and no device.
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WASI } from 'node:wasi';

const [program, ...rest] = process.argv.slice(2);
const source = dirname(dirname(fileURLToPath(import.meta.url)));
const wasi = new WASI({
    version: 'preview1',
    args: [program, ...rest],
    env: process.env,
    preopens: { '.': '.', [process.cwd()]: '.', [source]: source },
});
const { instance } = await WebAssembly.instantiate(await readFile(program), wasi.getImportObject());
process.exitCode = wasi.start(instance);
