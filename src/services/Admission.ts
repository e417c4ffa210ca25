/**
 * How many connections are taken, and from whom: counters, and the decision over them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import {
  AddressDenied,
  LimitError,
  type LimitErrorReason,
  TooManyConnectionsOfAddress,
  TooManyConnectionsOfUser,
  TooManyStartups,
  TooManyStartupsOfAddress
} from "../schema/LimitError.ts"
import type { MaxStartups } from "../schema/MaxStartups.ts"
import { isIn, parseAddress } from "../schema/Network.ts"
import type { SshLimits } from "../schema/SshLimits.ts"

/**
 * The limits that connections are counted against.
 *
 * @since 0.1.0
 * @category models
 */
export type AdmissionLimits = Pick<
  SshLimits,
  "allow" | "deny" | "maxConnectionsPerAddress" | "maxConnectionsPerUser" | "maxStartups" | "maxStartupsPerAddress"
>

/**
 * The place of one connection. It is counted from {@link Gate.enter} until it is released.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  /** Says where the client is, once, as soon as it is known. */
  readonly identify: (address: string) => Result.Result<void, LimitError>
  /** The client has proven who it is; it is in only when this succeeds. */
  readonly login: (username: string) => Effect.Effect<void, LimitError>
  /** Gives the place back. Whatever comes after that, this again included, changes nothing. */
  readonly release: () => void
}

/**
 * Where connections come in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gate {
  /** Takes a place for a connection that was just accepted, in the same step. */
  readonly enter: () => Result.Result<Place, LimitError>
}

/**
 * Makes the gate of a server. The default counts in this process alone; servers that share an address can share their
 * counters by giving another.
 *
 * @since 0.1.0
 * @category references
 */
export const Admission = Context.Reference<(limits: AdmissionLimits) => Effect.Effect<Gate>>(
  "dockerrun/services/Admission",
  { defaultValue: () => make }
)

/**
 * How many of a hundred new connections are refused while so many have not logged in: none below `start`, all from
 * `full` on, and between them a share that grows from `rate`, in whole percent (sshd_config(5), MaxStartups).
 *
 * @since 0.1.0
 * @category getters
 */
export const refusedPercent = ({ full, rate, start }: MaxStartups, startups: number): number => {
  if (startups < start) return 0
  if (startups >= full) return 100
  return rate + Math.floor(((100 - rate) * (startups - start)) / (full - start))
}

/** An owner of one IPv6 address has a /64 network of them. */
const ipv6BlockLength = 64

/**
 * What connections are counted by: an IPv4 address, or the /64 network of an IPv6 address.
 *
 * @since 0.1.0
 * @category getters
 */
export const blockOf = (address: string): string =>
  Option.match(parseAddress(address), {
    onNone: () => address,
    onSome: (ip) =>
      NetAddress.isIpv4Address(ip)
        ? NetAddress.formatIp(ip)
        : IpNetwork.format(IpNetwork.fromAddressUnsafe(ip, ipv6BlockLength))
  })

/** How many there are of each name; a name that has none takes no room. */
const makeCounts = () => {
  const counts = new Map<string, number>()
  const count = (name: string) => counts.get(name) ?? 0
  return {
    count,
    /** Counts one more, and gives what takes it back. */
    add: (name: string) => {
      counts.set(name, count(name) + 1)
      return () => {
        if (count(name) > 1) counts.set(name, count(name) - 1)
        else counts.delete(name)
      }
    }
  }
}

const refused = (reason: LimitErrorReason) => Result.fail(new LimitError({ reason }))

/**
 * Takes back what was counted.
 *
 * @since 0.1.0
 * @category models
 */
export type TakeBack = () => void

/**
 * What a gate counts with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ledger {
  /** Connections that have not logged in: all, and those of one block of addresses. */
  readonly startups: (block?: string) => number
  /** Counts one more of them. */
  readonly enter: () => TakeBack
  readonly identify: (block: string) => TakeBack
  /** Counts a connection that has logged in, unless there are too many of its address or of its user. */
  readonly login: (block: string | undefined, username: string) => Effect.Effect<TakeBack, LimitError>
}

/**
 * Counts those who have logged in, in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeLogins = (
  limits: Pick<AdmissionLimits, "maxConnectionsPerAddress" | "maxConnectionsPerUser">
): ((block: string | undefined, username: string) => Result.Result<TakeBack, LimitError>) => {
  const { maxConnectionsPerAddress, maxConnectionsPerUser } = limits
  const addresses = makeCounts()
  const users = makeCounts()
  return (block, username) => {
    const fromHere = block === undefined ? 0 : addresses.count(block)
    if (maxConnectionsPerAddress > 0 && fromHere >= maxConnectionsPerAddress) {
      return refused(new TooManyConnectionsOfAddress({ limit: maxConnectionsPerAddress }))
    }
    if (maxConnectionsPerUser > 0 && users.count(username) >= maxConnectionsPerUser) {
      return refused(new TooManyConnectionsOfUser({ limit: maxConnectionsPerUser }))
    }
    const takeBack = [users.add(username), ...(block === undefined ? [] : [addresses.add(block)])]
    return Result.succeed(() => {
      for (const undo of takeBack) undo()
    })
  }
}

/**
 * Counts in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeLedger = (limits: AdmissionLimits): Ledger => {
  const ofBlocks = makeCounts()
  const login = makeLogins(limits)
  let all = 0
  return {
    startups: (block) => (block === undefined ? all : ofBlocks.count(block)),
    enter: () => {
      all += 1
      return () => {
        all -= 1
      }
    },
    identify: ofBlocks.add,
    login: (block, username) => Effect.suspend(() => Effect.fromResult(login(block, username)))
  }
}

/**
 * A gate over a ledger.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeGate = Effect.fnUntraced(function* (limits: AdmissionLimits, ledger: Ledger) {
  const random = yield* Random.Random

  const isAdmitted = (address: string) =>
    Option.match(parseAddress(address), {
      onNone: () => limits.allow.length === 0,
      onSome: (ip) => !isIn(limits.deny, ip) && (limits.allow.length === 0 || isIn(limits.allow, ip))
    })

  const enter: Gate["enter"] = () => {
    if (Math.floor(random.nextDoubleUnsafe() * 100) < refusedPercent(limits.maxStartups, ledger.startups())) {
      return refused(new TooManyStartups())
    }
    let block: string | undefined
    let isReleased = false
    let takeBack: Array<TakeBack> = [ledger.enter()]
    /** Counted as this instead, or, once the place was given back, not any more. */
    const count = (next: Array<TakeBack>) => {
      const previous = takeBack
      takeBack = isReleased ? [] : next
      for (const undo of isReleased ? [...previous, ...next] : previous) undo()
    }

    const identify: Place["identify"] = (address) => {
      if (!isAdmitted(address)) return refused(new AddressDenied())
      block = blockOf(address)
      if (limits.maxStartupsPerAddress > 0 && ledger.startups(block) >= limits.maxStartupsPerAddress) {
        return refused(new TooManyStartupsOfAddress())
      }
      if (!isReleased) takeBack.push(ledger.identify(block))
      return Result.void
    }

    return Result.succeed({
      identify,
      login: (username) =>
        Effect.uninterruptible(
          // From here on it counts as one that has logged in.
          Effect.map(ledger.login(block, username), (undo) => count([undo]))
        ),
      release: () => {
        isReleased = true
        count([])
      }
    })
  }

  return { enter } satisfies Gate
})

/**
 * A gate that counts in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (limits: AdmissionLimits): Effect.Effect<Gate> => makeGate(limits, makeLedger(limits))
