module kubecfn/answer

go 1.24
