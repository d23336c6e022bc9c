// Command checker reads histories as JSON lines on standard input and says for each key whether it is linearizable.
//
// A line is one operation of a client on one key:
//
//	{"key":"r1","kind":"register","client":0,"call":12,"return":15,"do":"write","value":"7","outcome":"ok"}
//	{"key":"r1","kind":"register","client":1,"call":13,"return":19,"do":"read","seen":"7","outcome":"ok"}
//	{"key":"a1","kind":"append","client":0,"call":20,"return":25,"do":"append","value":"x","seen":"w,x","outcome":"ok"}
//
// What was "failed" for certain never happened. What is "indefinite" may take effect at any time after its call, or never:
// it gets no return, so it can always be put behind everything else. A read changes nothing, so an indefinite one is left out.
//
// The answer is one line per key: {"key":…,"verdict":"ok"|"illegal"|"unknown","operations":n,"placed":n,"unplaced":[…]}, where
// "unplaced" are the operations, earliest first, that fit behind no order of the others that was found.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// Operation is one line.
type Operation struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"`
	Client  int    `json:"client"`
	Call    int64  `json:"call"`
	Return  int64  `json:"return"`
	Do      string `json:"do"`
	Value   string `json:"value,omitempty"`
	Seen    string `json:"seen"`
	Outcome string `json:"outcome"`
}

// Verdict is the answer for one key.
type Verdict struct {
	Key        string      `json:"key"`
	Verdict    string      `json:"verdict"`
	Operations int         `json:"operations"`
	Placed     int         `json:"placed"`
	Unplaced   []Operation `json:"unplaced,omitempty"`
}

// Both models hold one key's text. An append's answer tells the whole list after it, so its place is known exactly.
func step(state, input, _ interface{}) (bool, interface{}) {
	text, one := state.(string), input.(Operation)
	switch one.Do {
	case "read":
		return one.Seen == text, text
	case "write":
		return true, one.Value
	default:
		after := one.Value
		if text != "" {
			after = text + "," + one.Value
		}
		return one.Outcome != "ok" || one.Seen == after, after
	}
}

var known = map[string]map[string]bool{
	"register": {"read": true, "write": true},
	"append":   {"read": true, "append": true},
}

func main() {
	limit := flag.Duration("limit", 30*time.Second, "for one key")
	flag.Parse()
	if err := run(*limit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(limit time.Duration) error {
	keys, histories, err := read(os.Stdin)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, key := range keys {
		if err := out.Encode(check(key, histories[key], limit)); err != nil {
			return err
		}
	}
	return nil
}

func read(file *os.File) ([]string, map[string][]Operation, error) {
	keys, histories := []string{}, map[string][]Operation{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for number := 1; lines.Scan(); number++ {
		var one Operation
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", number, err)
		}
		if !known[one.Kind][one.Do] {
			return nil, nil, fmt.Errorf("line %d: no operation %q on a %q", number, one.Do, one.Kind)
		}
		if one.Outcome == "ok" && one.Return < one.Call {
			return nil, nil, fmt.Errorf("line %d: it returns before it is called", number)
		}
		if _, seen := histories[one.Key]; !seen {
			keys = append(keys, one.Key)
			histories[one.Key] = nil
		}
		switch {
		case one.Outcome == "ok", one.Outcome == "indefinite" && one.Do != "read":
			histories[one.Key] = append(histories[one.Key], one)
		case one.Outcome != "failed" && one.Outcome != "indefinite":
			return nil, nil, fmt.Errorf("line %d: no outcome %q", number, one.Outcome)
		}
	}
	return keys, histories, lines.Err()
}

func check(key string, operations []Operation, limit time.Duration) Verdict {
	history := make([]porcupine.Operation, len(operations))
	for place, one := range operations {
		ended := one.Return
		if one.Outcome != "ok" {
			ended = math.MaxInt64
		}
		history[place] = porcupine.Operation{ClientId: one.Client, Input: one, Call: one.Call, Return: ended}
	}
	model := porcupine.Model{Init: func() interface{} { return "" }, Step: step}
	result, info := porcupine.CheckOperationsVerbose(model, history, limit)
	verdict := Verdict{Key: key, Operations: len(operations), Placed: len(operations)}
	switch result {
	case porcupine.Ok:
		verdict.Verdict = "ok"
	case porcupine.Unknown:
		verdict.Verdict = "unknown"
	default:
		verdict.Verdict = "illegal"
		verdict.Placed, verdict.Unplaced = unplaced(operations, info)
	}
	return verdict
}

// unplaced returns how many operations the longest order holds that could be found, and the first few that are not in it.
func unplaced(operations []Operation, info porcupine.LinearizationInfo) (int, []Operation) {
	var longest []int
	for _, orders := range info.PartialLinearizations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := map[int]bool{}
	for _, id := range longest {
		placed[id] = true
	}
	var left []Operation
	for id, one := range operations {
		if !placed[id] {
			left = append(left, one)
		}
	}
	sort.SliceStable(left, func(i, j int) bool { return left[i].Call < left[j].Call })
	return len(longest), left[:min(len(left), 5)]
}
