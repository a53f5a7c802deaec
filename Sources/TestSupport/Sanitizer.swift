internal import Glibc

/// Whether the tests run under a sanitizer (`make test-address`): calls are slower by far, stacks are elsewhere, and it
/// takes the signals by which processes crash for its own.
package let isUnderSanitizer = unsafe getenv("MOONDIAL_SANITIZER") != nil
