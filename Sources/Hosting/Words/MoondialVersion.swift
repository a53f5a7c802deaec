/// Which Moondial this is.
package enum MoondialVersion {
  package static let text = "0.1.0"
}
