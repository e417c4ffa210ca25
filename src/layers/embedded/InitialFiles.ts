/**
 * What is in a virtual container from the beginning, beside its programs.
 *
 * @since 0.1.0
 */
import type { Identity } from "./Protocol.ts"

/**
 * @internal
 */
export const files = ({ home, hostname, user }: Identity): Readonly<Record<string, string>> => {
  const isRoot = user === "root"
  return {
    "/etc/hostname": `${hostname}\n`,
    "/etc/os-release": 'NAME="virtual container"\nID=dockerrun\nPRETTY_NAME="dockerrun virtual container"\n',
    "/etc/passwd": `root:x:0:0:root:/root:/bin/bash\n${isRoot ? "" : `${user}:x:1000:1000::${home}:/bin/bash\n`}`,
    "/etc/group": `root:x:0:\n${isRoot ? "" : `${user}:x:1000:\n`}`
  }
}

/**
 * @internal
 */
export const directories = ({ home }: Identity): ReadonlyArray<string> => [
  "/tmp",
  "/var/tmp",
  "/root",
  "/usr/local/bin",
  home
]

/**
 * What a shell that a person has logged in to says first.
 *
 * @internal
 */
export const greeting = `This is a virtual container, made of the server's own memory: it is not isolated as a real one is,
it has no network, and no programs but those that \`help\` and \`ls /bin\` list. Its files are gone when you leave.

`
