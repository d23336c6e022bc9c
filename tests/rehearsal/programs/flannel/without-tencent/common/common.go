// Package common stands in for Tencent Cloud's SDK, which not every module proxy has: flannel is built without that back end.
package common

func StringPtr(value string) *string { return &value }

func BoolPtr(value bool) *bool { return &value }

func StringPtrs(values []string) []*string {
	found := make([]*string, len(values))
	for index := range values {
		found[index] = &values[index]
	}
	return found
}
