/**
 * Which passwords bcrypt can take in whole.
 */
import {
  PasswordContainsNul,
  PasswordEmpty,
  type PasswordHashError,
  PasswordTooLong
} from "../../schema/PasswordHashError.ts"

/** bcrypt ignores what comes after these: two long passwords that differ only there would be the same. */
const maximumBytes = 72

/** Why the password must neither be hashed nor match, if there is a reason. */
export const passwordProblem = (password: string): PasswordHashError["reason"] | undefined => {
  if (password === "") return new PasswordEmpty()
  if (password.includes("\0")) return new PasswordContainsNul()
  const bytes = new TextEncoder().encode(password).length
  return bytes > maximumBytes ? new PasswordTooLong({ bytes, limit: maximumBytes }) : undefined
}
