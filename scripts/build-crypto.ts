/**
 * Makes ssh2's native crypto addon fit the Node that runs this repository's scripts.
 *
 * npm compiles the addon while it installs, for the Node that npm itself runs on. When `npm run` uses another Node (here
 * the one from the `node` package), loading it fails silently and ssh2 falls back to JavaScript at half the throughput.
 * So: try to load it with this Node, and only if that fails compile it against this Node's own headers.
 *
 * Runs from `prepare`, hence in a checkout only and never for people who install the package. It never fails the
 * installation: without a compiler everything works, only slower.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const resolve = createRequire(import.meta.url).resolve

const addonDirectory = join(dirname(resolve("ssh2/package.json")), "lib", "protocol", "crypto")
const addon = join(addonDirectory, "build", "Release", "sshcrypto.node")

/** A process of its own: a Node that once failed to load an addon does not try the rebuilt file again. */
const loads = (): boolean => spawnSync(process.execPath, ["-e", `require(${JSON.stringify(addon)})`]).status === 0

const describesThisNode = (directory: string): boolean => {
  const header = join(directory, "include", "node", "node_version.h")
  if (!existsSync(header)) return false
  const text = readFileSync(header, "utf8")
  const version = ["MAJOR", "MINOR", "PATCH"].map(
    (part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1]
  )
  return `v${version.join(".")}` === process.version
}

/** The directory with this Node's headers: beside its binary, or in the platform package that the `node` package uses. */
const headers = (): string | undefined => {
  const root = dirname(dirname(process.execPath))
  const packages = join(root, "node_modules")
  const platforms = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name)) : []
  return [root, ...platforms].find(describesThisNode)
}

const build = (): string | undefined => {
  const nodeGyp = process.env["npm_config_node_gyp"]
  if (nodeGyp === undefined) return "node-gyp is only known inside npm: use `npm run prepare`"
  const env = { ...process.env }
  // node-gyp prefers its environment to its arguments, so the headers that npm was told to use must give way here.
  delete env["npm_config_nodedir"]
  const nodedir = headers()
  if (nodedir !== undefined) env["npm_config_nodedir"] = nodedir
  const openssl = /^\d+/.exec(process.versions.openssl)?.[0] ?? "0"
  const result = spawnSync(
    process.execPath,
    [nodeGyp, "rebuild", `--target=${process.version}`, `--real_openssl_major=${openssl}`],
    { cwd: addonDirectory, env, encoding: "utf8", timeout: 180_000 }
  )
  if (result.status === 0) return loads() ? undefined : "it was built but does not load"
  return `${result.error?.message ?? ""}${result.stdout ?? ""}${result.stderr ?? ""}`.trim()
}

if (loads()) {
  console.log(`ssh2's native crypto loads in Node ${process.version}`)
} else {
  const problem = build()
  if (problem === undefined) {
    console.log(`ssh2's native crypto was built for Node ${process.version}`)
  } else {
    console.warn(problem)
    console.warn(`warning: no native crypto for Node ${process.version}: SSH encryption will run in JavaScript, slower`)
  }
}
