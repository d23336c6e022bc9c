//go:build tools

package tools

import (
	_ "github.com/kubernetes-sigs/aws-ebs-csi-driver/cmd"
)
