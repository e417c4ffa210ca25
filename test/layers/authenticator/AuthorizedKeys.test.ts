import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import ssh2 from "ssh2"
import * as AddressPattern from "../../../src/layers/authenticator/AddressPattern.ts"
import * as AuthorizedKeys from "../../../src/layers/authenticator/AuthorizedKeys.ts"
import * as KeyVerdict from "../../../src/layers/authenticator/KeyVerdict.ts"
import * as PublicKeyBlob from "../../../src/layers/authenticator/PublicKeyBlob.ts"
import { generateKey } from "../../support/OpenSsh.ts"

const place = (line: number) => `keys line ${line}`

const blobOf = (publicKey: string): Uint8Array => Buffer.from(publicKey.split(" ")[1] ?? "", "base64")

const parse = (text: string) => AuthorizedKeys.parse(text, place)

const judge = (text: string, publicKey: string, remoteAddress = "192.0.2.7", now = Date.UTC(2030, 0, 1)) =>
  KeyVerdict.judge(AuthorizedKeys.find(parse(text), blobOf(publicKey)), { remoteAddress, now })

describe("authorized_keys", () => {
  for (const [type, bits] of [
    ["ed25519", undefined],
    ["ecdsa", 256],
    ["ecdsa", 384],
    ["ecdsa", 521],
    ["rsa", 2048]
  ] as const) {
    it.effect(`takes a key that ssh-keygen made: ${type} ${bits ?? ""}`, () =>
      Effect.gen(function* () {
        const key = yield* generateKey(type, bits === undefined ? {} : { bits })
        assert.deepStrictEqual(parse(key.publicKey).problems, [])
        assert.deepStrictEqual(judge(key.publicKey, key.publicKey), { good: true, binding: {} })
        // As OpenSSH shows it, and as the server will have it from ssh2.
        assert.strictEqual(PublicKeyBlob.fingerprint(blobOf(key.publicKey)), key.fingerprint)
        const parsed = ssh2.utils.parseKey(key.publicKey)
        assert.isFalse(parsed instanceof Error)
        if (!(parsed instanceof Error))
          assert.deepStrictEqual(judge(key.publicKey, `x ${parsed.getPublicSSH().toString("base64")}`), {
            good: true,
            binding: {}
          })
      })
    )
  }

  it.effect("skips comments and blank lines, and takes blanks, CRLF, a byte order mark and comments with blanks", () =>
    Effect.gen(function* () {
      const first = yield* generateKey("ed25519", { comment: "the first key" })
      const second = yield* generateKey("ed25519", { comment: "" })
      const text = `\uFEFF# a comment\r\n\r\n \t ${first.publicKey}\r\n#${second.publicKey}\r\n`
      assert.deepStrictEqual(parse(text).problems, [])
      assert.deepStrictEqual(judge(text, first.publicKey), { good: true, binding: {} })
      assert.deepStrictEqual(judge(text, second.publicKey), { good: false, reason: "UnknownKey" })
      assert.deepStrictEqual(judge(`${text}\n  \t${second.publicKey}`, second.publicKey), { good: true, binding: {} })
    })
  )

  it.effect("refuses short RSA keys, and says how long they are", () =>
    Effect.gen(function* () {
      const key = yield* generateKey("rsa", { bits: 1024 })
      assert.deepStrictEqual(parse(key.publicKey).problems, [
        "keys line 1: the RSA key has 1024 bits, and at least 2048 are needed"
      ])
      assert.deepStrictEqual(judge(key.publicKey, key.publicKey), { good: false, reason: "UnknownKey" })
    })
  )

  it.effect("names each line that cannot be used, and shows no key", () =>
    Effect.gen(function* () {
      const { publicKey } = yield* generateKey()
      const [type = "", base64 = ""] = publicKey.split(" ")
      const sk = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIA== touch"
      const lines: ReadonlyArray<readonly [string, RegExp]> = [
        [sk, /line 1: .*security keys \(FIDO\) are not supported/u],
        [`ssh-dss ${base64}`, /line 2: DSA keys are no longer secure/u],
        [`ssh-ed25519-cert-v01@openssh.com ${base64}`, /line 3: this is a certificate/u],
        [`ssh-ed448 ${base64}`, /line 4: ssh-ed448 is not a type of key/u],
        [base64, /line 5: the type of the key .* is missing/u],
        [`${type} ${base64.slice(0, -8)}`, /line 6: the ssh-ed25519 key is damaged/u],
        [`${type} ${base64.slice(0, 20)}*${base64.slice(20)}`, /line 7: the ssh-ed25519 key is not base64/u],
        [`ssh-rsa ${base64}`, /line 8: the line says ssh-rsa, and the key itself is of another type/u],
        ["-----BEGIN OPENSSH PRIVATE KEY-----", /line 9: this is a private key/u],
        ["b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ", /line 10: this is not a key/u],
        ["---- BEGIN SSH2 PUBLIC KEY ----", /line 11: .*ssh-keygen -i/u],
        [`from="unclosed ${publicKey}`, /line 12: this is not a key/u],
        [type, /line 13: the ssh-ed25519 key is not base64/u]
      ]
      const { keys, problems } = parse(lines.map(([line]) => line).join("\n"))
      assert.strictEqual(keys.size, 0)
      assert.strictEqual(problems.length, lines.length)
      for (const [index, [, expected]] of lines.entries()) assert.match(problems[index] ?? "", expected)
      assert.notInclude(problems.join("\n"), base64.slice(0, 30))
      assert.notInclude(problems.join("\n"), "b3BlbnNz")
    })
  )

  describe("options", () => {
    it.effect("honours from= by address, wildcard, network and exception", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        const accepts = (from: string, address: string) => judge(`from="${from}" ${publicKey}`, publicKey, address).good
        assert.isTrue(accepts("192.0.2.7", "192.0.2.7"))
        assert.isFalse(accepts("192.0.2.7", "192.0.2.77"))
        assert.isTrue(accepts("10.*,192.0.2.?", "192.0.2.7"))
        assert.isFalse(accepts("192.0.2.?", "192.0.2.10"))
        assert.isTrue(accepts("192.0.2.0/24", "192.0.2.255"))
        assert.isFalse(accepts("192.0.2.0/24", "192.0.3.0"))
        assert.isFalse(accepts("192.0.2.0/24,!192.0.2.7", "192.0.2.7"))
        assert.isFalse(accepts("!192.0.2.7", "192.0.2.8"))
        assert.isTrue(accepts("2001:db8::/32", "2001:db8::1"))
        assert.isTrue(accepts("2001:DB8:0:0::1", "2001:db8::1"))
        assert.isFalse(accepts("*.example.org", "192.0.2.7"))
        // A socket for both families gives IPv4 clients an IPv6 form.
        assert.isTrue(accepts("192.0.2.0/24", "::ffff:192.0.2.7"))
        assert.isTrue(accepts("192.0.2.7", "::ffff:192.0.2.7"))
      })
    )

    it.effect("says at which line the address did not match", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        assert.deepStrictEqual(judge(`from="10.0.0.1" ${publicKey}`, publicKey), {
          good: false,
          reason: "KeyNotValid",
          detail: "keys line 1: not from this address"
        })
        assert.isTrue(judge(`from="10.0.0.1" ${publicKey}\n${publicKey}`, publicKey).good)
      })
    )

    it.effect("honours expiry-time=, in UTC with Z, to the second, the earlier of two", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        const at = (option: string, now: number) => judge(`${option} ${publicKey}`, publicKey, "192.0.2.7", now).good
        const noon = Date.UTC(2031, 1, 3, 12, 30, 15)
        assert.isTrue(at('expiry-time="20310203123015Z"', noon - 1))
        assert.isFalse(at('expiry-time="20310203123015Z"', noon))
        assert.isFalse(at('expiry-time="20310203Z"', noon))
        assert.isTrue(at('expiry-time="203102031231Z"', noon))
        assert.isFalse(at('expiry-time="20320101Z",expiry-time="20310101Z"', noon))
        const local = new Date(2031, 1, 3, 12, 30).getTime()
        assert.isTrue(at('Expiry-Time="203102031230"', local - 1))
        assert.isFalse(at('Expiry-Time="203102031230"', local))
      })
    )

    it.effect("knows what a key binds to, of options that contradict each other the last one", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        const binding = (option: string) => {
          assert.deepStrictEqual(parse(`${option} ${publicKey}`).problems, [], option)
          const verdict = judge(`${option} ${publicKey}`, publicKey)
          return verdict.good ? verdict.binding : verdict.reason
        }
        const permissions = (option: string) => {
          const found = binding(option)
          return typeof found === "string" ? found : found.permissions
        }
        const nothing = { pty: false, portForwarding: false, agentForwarding: false }
        assert.deepStrictEqual(binding('from="192.0.2.*",no-X11-forwarding,no-user-rc,tunnel="0"'), {})
        assert.deepStrictEqual(permissions("No-Pty"), { pty: false })
        assert.deepStrictEqual(permissions("no-port-forwarding"), { portForwarding: false })
        assert.deepStrictEqual(permissions("No-Agent-Forwarding"), { agentForwarding: false })
        assert.deepStrictEqual(permissions("restrict"), nothing)
        assert.deepStrictEqual(permissions("pty,restrict"), nothing)
        assert.deepStrictEqual(permissions("restrict,pty,port-forwarding,agent-forwarding,no-pty"), {
          pty: false,
          portForwarding: true,
          agentForwarding: true
        })
        assert.deepStrictEqual(permissions('permitopen="a:80",permitopen="[::1]:*",permitlisten="8080"'), {
          permitOpen: ["a:80", "[::1]:*"],
          permitListen: ["8080"]
        })
        const command = String.raw`command="echo \"hi there\", \$HOME"`
        assert.deepStrictEqual(binding(`${command},environment="A=1",environment="B=x, y=z",environment="A=2"`), {
          forcedCommand: String.raw`echo "hi there", \$HOME`,
          environment: { A: "1", B: "x, y=z" }
        })
      })
    )

    it.effect("does not use a key whose options it cannot honour", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        for (const [option, words] of [
          ["command", "command= needs a command line in quotes"],
          ['command="a",command="a"', "command= stands there twice"],
          ['restrict="all"', "restrict has no value"],
          ["cert-authority", "trusted by auth.trustedUserCAKeys"],
          ['principals="a"', "named in authorizedPrincipals"],
          ['environment="A B=c"', "environment= needs a variable in quotes"],
          ["future-option", 'the option "future-option" is not honoured: it is not known'],
          ["from=192.0.2.7", "options are not a list"],
          ['from="192.0.2.7/24"', "from= has a network that is not one"],
          ['from="10.0.0.1,,10.0.0.2"', "empty pattern"],
          ['from="*",from="10.0.0.1"', "from= stands there twice"],
          ['expiry-time="20310431"', "expiry-time= needs a time"],
          ['expiry-time="tomorrow"', "expiry-time= needs a time"],
          ['permitopen="80"', "permitopen= needs a target in quotes"],
          ['permitlisten="http"', "permitlisten= needs a target"],
          ["no-user-rc,", "options are not a list"]
        ] as const) {
          const line = `${option} ${publicKey}`
          const { problems } = parse(line)
          assert.strictEqual(problems.length, 1, option)
          assert.include(problems[0], words)
          const verdict = judge(line, publicKey)
          assert.strictEqual(verdict.good ? "good" : verdict.reason, "KeyNotUsable", option)
        }
      })
    )

    it.effect("a second line with the same key does not take a restriction away", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        const bound = { good: true, binding: { forcedCommand: "backup" } } as const
        assert.deepStrictEqual(judge(`command="backup" ${publicKey}\n${publicKey}`, publicKey), bound)
        assert.deepStrictEqual(judge(`from="10.0.0.1" ${publicKey}\ncommand="backup" ${publicKey}`, publicKey), bound)
        assert.isFalse(judge(`unknown ${publicKey}\n${publicKey}`, publicKey).good)
      })
    )

    it("a pattern of many stars is matched in reasonable time", () => {
      const pattern = Result.getOrThrow(AddressPattern.parse(`${"*a".repeat(200)}b`))
      assert.isFalse(pattern("a".repeat(5000)))
    })
  })
})
