// Package errors stands in for Tencent Cloud's SDK.
package errors

type TencentCloudSDKError struct{}

func (*TencentCloudSDKError) Error() string { return "this flannel was built without Tencent Cloud" }
