internal import Basics

/// `text` as a JSON string.
func quoted(_ text: String) -> String { quotedJSON(text) }
