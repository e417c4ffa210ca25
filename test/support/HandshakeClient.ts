/**
 * The client's side of the transport (RFC 4253), written from the specifications alone and sharing nothing with the server:
 * what the server does is right only if somebody else comes to the same keys. Speaks AES-GCM (RFC 5647, in OpenSSH's
 * variant) and checks with node:crypto what it is told.
 */
import * as crypto from "node:crypto"
import { connect, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import { within } from "./Deadline.ts"
import { harnessError } from "./HarnessError.ts"

export const hybrid = "mlkem768x25519-sha256"

const message = {
  serviceRequest: 5,
  kexinit: 20,
  newKeys: 21,
  kexInit: 30,
  kexReply: 31,
  userauthRequest: 50,
  userauthSuccess: 52
}

export const string = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** RFC 4251, section 5: without leading zeros, and with one where the number would be negative. */
const mpint = (value: Buffer): Buffer => {
  const first = value.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? Buffer.alloc(0) : value.subarray(first)
  return string((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits)
}

/** Takes strings off the front of what is left. */
const reader = (bytes: Buffer, start = 0) => {
  let offset = start
  return () => {
    const end = offset + 4 + bytes.readUInt32BE(offset)
    const value = bytes.subarray(offset + 4, end)
    offset = end
    return value
  }
}

const spki = (prefix: string, raw: Buffer) =>
  crypto.createPublicKey({ key: Buffer.concat([Buffer.from(prefix, "hex"), raw]), format: "der", type: "spki" })

const x25519 = (raw: Buffer) => spki("302a300506032b656e032100", raw)

const rawKey = (key: crypto.KeyObject, bytes: number) => key.export({ type: "spki", format: "der" }).subarray(-bytes)

interface Agreement {
  /** What the client sends. */
  readonly init: Buffer
  /** K, as it goes into the exchange hash and into the keys. */
  readonly secret: (reply: Buffer) => Buffer
}

const classical = (): Agreement => {
  const pair = crypto.generateKeyPairSync("x25519")
  return {
    init: rawKey(pair.publicKey, 32),
    // RFC 8731, section 3: K is a number.
    secret: (reply) => mpint(crypto.diffieHellman({ privateKey: pair.privateKey, publicKey: x25519(reply) }))
  }
}

const postQuantum = (): Agreement => {
  const kem = crypto.generateKeyPairSync("ml-kem-768")
  const pair = crypto.generateKeyPairSync("x25519")
  return {
    init: Buffer.concat([rawKey(kem.publicKey, 1184), rawKey(pair.publicKey, 32)]),
    // draft-ietf-sshm-mlkem-hybrid-kex, sections 2.3 and 2.4: K is the hash of both secrets, and a string.
    secret: (reply) =>
      string(
        crypto
          .createHash("sha256")
          .update(crypto.decapsulate(kem.privateKey, reply.subarray(0, 1088)))
          .update(crypto.diffieHellman({ privateKey: pair.privateKey, publicKey: x25519(reply.subarray(1088)) }))
          .digest()
      )
  }
}

interface Keys {
  readonly key: Buffer
  /** Twelve bytes; the last eight count the packets. */
  readonly iv: Buffer
}

const nextIv = (keys: Keys): Buffer => {
  const iv = Buffer.from(keys.iv)
  keys.iv.writeBigUInt64BE(keys.iv.readBigUInt64BE(4) + 1n, 4)
  return iv
}

export interface ClientOptions {
  /** The key exchanges that are offered, in the order of preference. */
  readonly kex: ReadonlyArray<string>
  /** What is sent in place of the client's half. */
  readonly init?: (honest: Buffer) => Buffer
  /** Says that a guess follows (RFC 4253, section 7), and sends this as the guess. */
  readonly wrongGuess?: Buffer
}

export interface Handshake {
  readonly serverKexinit: Buffer
  readonly kexAlgorithms: ReadonlyArray<string>
  readonly hostKeyAlgorithms: ReadonlyArray<string>
  readonly hostKey: Buffer
  readonly exchangeHash: Buffer
  readonly reply: Buffer
}

export class HandshakeClient {
  private readonly socket: Socket
  private received: Buffer = Buffer.alloc(0)
  private wake = () => {}
  private isOver = false
  private identification = ""
  private serverIdentification = ""
  private sessionId: Buffer | undefined
  private toServer: Keys | undefined
  private toClient: Keys | undefined

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true })
    this.socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.wake()
    })
    this.socket.on("error", () => {})
    this.socket.on("close", () => {
      this.isOver = true
      this.wake()
    })
  }

  end() {
    this.socket.destroy()
  }

  private async take(length: number): Promise<Buffer> {
    while (this.received.length < length) {
      if (this.isOver) throw new Error("the server closed the connection")
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
    const taken = this.received.subarray(0, length)
    this.received = this.received.subarray(length)
    return taken
  }

  private async takeLine(): Promise<string> {
    let line = ""
    while (!line.endsWith("\n")) line += (await this.take(1)).toString("latin1")
    return line.trimEnd()
  }

  /** All that has come and was not taken yet, once it is so many bytes. */
  async peek(length: number): Promise<Buffer> {
    const taken = await this.take(length)
    this.received = Buffer.concat([taken, this.received])
    return this.received
  }

  /** Both sides say who they are. Unless it was done, it is what a key exchange begins with. */
  async identify(software = "independent_1.0"): Promise<void> {
    this.identification = `SSH-2.0-${software}`
    this.socket.write(`${this.identification}\r\n`)
    this.serverIdentification = await this.takeLine()
  }

  /** Takes nothing more off the wire. */
  stopReading() {
    this.socket.pause()
  }

  /** Waits until the server has closed the connection; what it still says is passed over. */
  async closed(): Promise<void> {
    while (!this.isOver) await new Promise<void>((resolve) => (this.wake = resolve))
  }

  /** Bytes as they are. */
  write(bytes: Uint8Array) {
    this.socket.write(bytes)
  }

  send(payload: Buffer) {
    this.write(this.seal(payload))
  }

  /** The packet of a payload, as it goes over the wire. */
  seal(payload: Buffer): Buffer {
    // The length is not encrypted with GCM, and does not count for the padding there.
    const block = this.toServer === undefined ? 8 : 16
    const outside = this.toServer === undefined ? 0 : 4
    const bare = 5 + payload.length - outside
    const padding = block - (bare % block) + (block - (bare % block) < 4 ? block : 0)
    const packet = Buffer.concat([Buffer.alloc(4), Buffer.from([padding]), payload, crypto.randomBytes(padding)])
    packet.writeUInt32BE(packet.length - 4)
    if (this.toServer === undefined) return packet
    const cipher = crypto.createCipheriv("aes-128-gcm", this.toServer.key, nextIv(this.toServer))
    cipher.setAAD(packet.subarray(0, 4))
    const body = Buffer.concat([cipher.update(packet.subarray(4)), cipher.final()])
    return Buffer.concat([packet.subarray(0, 4), body, cipher.getAuthTag()])
  }

  /** The next payload; fails when the tag of the packet is not right. */
  async receive(): Promise<Buffer> {
    const length = await this.take(4)
    let body = await this.take(length.readUInt32BE())
    if (this.toClient !== undefined) {
      const decipher = crypto.createDecipheriv("aes-128-gcm", this.toClient.key, nextIv(this.toClient))
      decipher.setAAD(length)
      decipher.setAuthTag(await this.take(16))
      body = Buffer.concat([decipher.update(body), decipher.final()])
    }
    return body.subarray(1, body.length - (body[0] ?? 0))
  }

  /** The next payload of that message; others are passed over. */
  async receiveMessage(number: number): Promise<Buffer> {
    for (;;) {
      const payload = await this.receive()
      if (payload[0] === number) return payload
      if (payload[0] === 1) throw new Error(`the server disconnected with reason ${payload.readUInt32BE(1)}`)
    }
  }

  /** A key exchange, the first or a further one, until the new keys are in use both ways. */
  async exchangeKeys(options: ClientOptions): Promise<Handshake> {
    if (this.serverIdentification === "") await this.identify()
    const ciphers = string("aes128-gcm@openssh.com")
    const macs = string("hmac-sha2-256-etm@openssh.com")
    const kexinit = Buffer.concat([
      Buffer.from([message.kexinit]),
      crypto.randomBytes(16),
      string([...options.kex, "ext-info-c", "kex-strict-c-v00@openssh.com"].join(",")),
      string("ssh-ed25519"),
      ciphers,
      ciphers,
      macs,
      macs,
      string("none"),
      string("none"),
      string(""),
      string(""),
      Buffer.from([options.wrongGuess === undefined ? 0 : 1, 0, 0, 0, 0])
    ])
    this.send(kexinit)
    if (options.wrongGuess !== undefined) this.send(options.wrongGuess)
    const serverKexinit = await this.receiveMessage(message.kexinit)
    const nextList = reader(serverKexinit, 17)
    const kexAlgorithms = nextList().toString().split(",")
    const hostKeyAlgorithms = nextList().toString().split(",")
    const chosen = options.kex.find((name) => kexAlgorithms.includes(name))
    if (chosen === undefined) throw new Error("no key exchange in common")
    const { init: honest, secret } = chosen === hybrid ? postQuantum() : classical()
    const init = options.init === undefined ? honest : options.init(honest)
    this.send(Buffer.concat([Buffer.from([message.kexInit]), string(init)]))

    const next = reader(await this.receiveMessage(message.kexReply), 1)
    const [hostKey, reply, signature] = [next(), next(), next()]
    const k = secret(reply)
    const exchangeHash = crypto
      .createHash("sha256")
      .update(string(this.identification))
      .update(string(this.serverIdentification))
      .update(string(kexinit))
      .update(string(serverKexinit))
      .update(string(hostKey))
      .update(string(init))
      .update(string(reply))
      .update(k)
      .digest()
    const nextOfKey = reader(hostKey)
    const nextOfSignature = reader(signature)
    if (nextOfKey().toString() !== "ssh-ed25519" || nextOfSignature().toString() !== "ssh-ed25519") {
      throw new Error("the host key is of another type")
    }
    const key = spki("302a300506032b6570032100", nextOfKey())
    if (!crypto.verify(null, exchangeHash, key, nextOfSignature())) {
      throw new Error("the signature of the exchange hash does not verify")
    }
    this.send(Buffer.from([message.newKeys]))
    await this.receiveMessage(message.newKeys)
    const sessionId = (this.sessionId ??= exchangeHash)
    // RFC 4253, section 7.2. One hash is as much as is needed here.
    const derive = (letter: string, length: number) =>
      Buffer.from(
        crypto.createHash("sha256").update(k).update(exchangeHash).update(letter).update(sessionId).digest()
      ).subarray(0, length)
    this.toServer = { iv: derive("A", 12), key: derive("C", 16) }
    this.toClient = { iv: derive("B", 12), key: derive("D", 16) }
    return { serverKexinit, kexAlgorithms, hostKeyAlgorithms, hostKey, exchangeHash, reply }
  }

  requestService() {
    this.send(Buffer.concat([Buffer.from([message.serviceRequest]), string("ssh-userauth")]))
    return this.receiveMessage(6)
  }

  /** Everything up to the point where channels can be opened. */
  async logIn(user: string, password: string): Promise<void> {
    await this.exchangeKeys({ kex: ["curve25519-sha256"] })
    await this.requestService()
    const texts = [user, "ssh-connection", "password"].map((text) => string(text))
    this.send(Buffer.concat([Buffer.from([message.userauthRequest]), ...texts, Buffer.from([0]), string(password)]))
    await this.receiveMessage(message.userauthSuccess)
  }

  /** Asks which methods there are; the answer is a refusal that names them. */
  async askMethods(user: string): Promise<string> {
    this.send(
      Buffer.concat([
        Buffer.from([message.userauthRequest]),
        ...[user, "ssh-connection", "none"].map((text) => string(text))
      ])
    )
    const refusal = await this.receiveMessage(51)
    return reader(refusal, 1)().toString()
  }
}

/** What the client does on a connection of its own, in bounded time. */
export const handshake = <A>(port: number, use: (client: HandshakeClient) => Promise<A>, deadline = 15_000) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new HandshakeClient(port)),
    (client) =>
      within(
        Effect.tryPromise({ try: () => use(client), catch: harnessError("the handshake") }),
        deadline,
        () => "the handshake"
      ),
    (client) => Effect.sync(() => client.end())
  )
